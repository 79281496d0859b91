"""Compiles the C parts of the packages while the package is built or installed from its sources.

Without a C compiler the package is built all the same, says so, and computes in numpy.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGES = ("index", "nlp")  # each with a module _native, of all C files in it


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the compiled modules to a wheel; puts them beside their sources when editable."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tell hatchling what there is."""
        if self.target_name != "wheel" or os.environ.get("NEUROBOT_PURE") == "1":
            return
        with tempfile.TemporaryDirectory() as folder:
            for module in self._compile(Path(folder)):
                place = f"{module.parent.name}/{module.name}"
                kept = Path(self.root, "" if version == "editable" else "build/native", place)
                kept.parent.mkdir(parents=True, exist_ok=True)
                # A running process may have the old file mapped: a new one takes its place.
                kept.unlink(missing_ok=True)
                shutil.copyfile(module, kept)
                if version != "editable":
                    build_data["force_include"][str(kept)] = place
                build_data["pure_python"] = False
                build_data["infer_tag"] = True

    def _compile(self, folder: Path) -> list[Path]:
        """Compiled modules, each in a folder named after its package; none without a compiler."""
        try:
            from setuptools import Distribution, Extension  # noqa: PLC0415

            flags = ["/O2"] if sys.platform == "win32" else ["-O3", "-fvisibility=hidden"]
            parts = [
                Extension(
                    f"{package}._native",
                    sorted(
                        f"{package}/{path.name}" for path in Path(self.root, package).glob("*.c")
                    ),
                    extra_compile_args=flags,
                    py_limited_api=True,
                )
                for package in PACKAGES
            ]
            command = Distribution({"ext_modules": parts}).get_command_obj("build_ext")
            command.build_lib, command.build_temp = str(folder / "lib"), str(folder / "temp")
            command.ensure_finalized()
            with contextlib.chdir(self.root):
                command.run()
        except Exception as error:  # noqa: BLE001  whatever is missing, the package works without
            self.app.display_warning(f"No C parts: {error}. Computing in numpy, slower.")
            return []
        return sorted((folder / "lib").glob("*/_native*"))
