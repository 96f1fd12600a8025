"""`rareevent ui`."""

import click

from rareevent.cli.console import example, log


@click.command("ui")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=5000, show_default=True, help="Port to listen on.")
@example("rareevent ui --port 5001")
def command(host: str, port: int) -> None:
    """Open the MLflow UI over the tracked runs; Ctrl-C ends it.

    Prints for each experiment the address that opens its runs, the best first.
    """
    from rareevent.tracking.server import pages, serve

    log(f"MLflow UI on http://{host}:{port} (Ctrl-C ends it)")
    for address in pages(host, port):
        log(address)
    serve(host, port)
