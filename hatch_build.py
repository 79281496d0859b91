"""Compiles the C part of the index while the package is built or installed from its sources.

Without a C compiler the package is built all the same, says so, and searches in numpy.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = "index/_native.c"


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the compiled module to a wheel; puts it beside its source for an editable install."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tell hatchling what there is."""
        if self.target_name != "wheel" or os.environ.get("NEUROBOT_PURE") == "1":
            return
        with tempfile.TemporaryDirectory() as folder:
            module = self._compile(Path(folder))
            if module is None:
                return
            place = f"index/{module.name}"
            kept = Path(self.root, "build", "native", module.name)
            if version == "editable":
                kept = Path(self.root, place)
            kept.parent.mkdir(parents=True, exist_ok=True)
            # A running process may have the old file mapped: a new one takes its place.
            kept.unlink(missing_ok=True)
            shutil.copyfile(module, kept)
        if version != "editable":
            build_data["force_include"][str(kept)] = place
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def _compile(self, folder: Path) -> Path | None:
        try:
            from setuptools import Distribution, Extension  # noqa: PLC0415

            flags = ["/O2"] if sys.platform == "win32" else ["-O3"]
            extension = Extension(
                "index._native", [SOURCE], extra_compile_args=flags, py_limited_api=True
            )
            command = Distribution({"ext_modules": [extension]}).get_command_obj("build_ext")
            command.build_lib, command.build_temp = str(folder / "lib"), str(folder / "temp")
            command.ensure_finalized()
            before = Path.cwd()
            os.chdir(self.root)
            try:
                command.run()
            finally:
                os.chdir(before)
        except Exception as error:  # noqa: BLE001  whatever is missing, the package works without
            self.app.display_warning(f"No C part: {error}. Searching in numpy, slower.")
            return None
        return next((folder / "lib" / "index").glob("_native*"))
