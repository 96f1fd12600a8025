"""The bundle: one directory that holds everything scoring needs."""

from rareevent.bundle.contents import Bundle, new_provenance
from rareevent.bundle.files import BUNDLE_FILE, load_bundle, save_bundle
from rareevent.bundle.profile import training_profile

__all__ = [
    "BUNDLE_FILE",
    "Bundle",
    "load_bundle",
    "new_provenance",
    "save_bundle",
    "training_profile",
]
