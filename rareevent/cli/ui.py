"""`rareevent ui`."""

import click

from rareevent.cli.console import example, log


@click.command("ui")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=5000,
    show_default=True,
    help="Port to listen on.",
)
@example("rareevent ui --port 5001")
def command(host: str, port: int) -> None:
    """Open the MLflow UI over the tracked runs; Ctrl-C ends it.

    Prints for each experiment the address that opens its runs, the best first. The UI asks for no
    password: on another host than this machine's own everybody who reaches the port can change
    and delete what is tracked.
    """
    from rareevent.tracking.server import check_address, is_open_to_others, pages, serve

    check_address(host, port)
    if is_open_to_others(host):
        log(
            f"rareevent: --host {host}: whoever reaches port {port} can change and delete what is"
            " tracked, for the UI asks for no password; put a proxy that does before it"
        )
    log(f"MLflow UI on http://{host}:{port} (Ctrl-C ends it)")
    for address in pages(host, port):
        log(address)
    serve(host, port)
