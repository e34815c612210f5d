"""Three virtual groups by which Hydra finds experiments and scenarios on the search path of `clvsim.files`."""

import re
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import hydra._internal.hydra
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigLoadError, ConfigResult
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from clvsim.errors import ConfigError
from clvsim.files import CONFIGS, ROOT, yaml_files
from clvsim.rim.allowed import require_allowed_file, require_our_hydra
from clvsim.schema import A_NAME, is_name


class Group(NamedTuple):
    folder: str
    mount: str


VIRTUAL = {
    "experiment": Group("experiments", "_global_"),
    "scenarios": Group("scenario", "scenario.{name}"),
    "always": Group("scenario", "scenario.{name}"),  # the baseline, whatever `scenarios` says
}


class NamedFiles(FileConfigSource):
    """`experiment=N` reads experiments/N.yaml at the root, `scenarios=[N]` scenario/N.yaml at scenario.N."""

    @staticmethod
    def scheme() -> str:
        return "clvsim"

    def load_config(self, config_path: str) -> ConfigResult:
        group, _, name = config_path.partition("/")
        folder, mount = VIRTUAL[group]
        path = disk_path(config_path).removesuffix(".yaml")
        require_allowed_file(Path(self.path) / f"{path}.yaml", f"{folder}/{name.removesuffix('.yaml')}.yaml")
        result = super().load_config(disk_path(config_path))
        if not OmegaConf.is_dict(result.config):
            raise ConfigLoadError(f"{folder}/{name}: holds no keys")
        if folder == "scenario" and "title" not in result.config:
            raise ConfigLoadError(f"{folder}/{name}: needs a title")
        own = PurePosixPath(name.removesuffix(".yaml")).name
        if folder == "scenario" and (not is_name(own) or re.fullmatch(r"_.*_", own)):  # such as Hydra's _global_
            raise ConfigError([(f"scenario/{own}.yaml", f"{A_NAME}; and not _ at both ends")])
        result.header["package"] = mount.format(name=own)
        return result

    def is_group(self, config_path: str) -> bool:
        return config_path == "" or super().is_group(disk_path(config_path))

    def is_config(self, config_path: str) -> bool:
        return super().is_config(disk_path(config_path))

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        if config_path == "":
            return [group for group in VIRTUAL if self.is_group(group)]
        if results_filter == ObjectType.GROUP:
            return []
        return sorted(yaml_files(Path(self.path) / disk_path(config_path)))


def disk_path(config_path: str) -> str:
    """The path on disk of a virtual path; `.none` for every other path, so that this source has none of them."""
    group, _, rest = config_path.partition("/")
    return f"{VIRTUAL[group].folder}/{rest}".rstrip("/") if group in VIRTUAL else ".none"


class NamedFilesPath(SearchPathPlugin):
    """The search path, the current directory first, so that the user's files take precedence."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for root in (Path.cwd(), CONFIGS, ROOT):
            search_path.append("clvsim", f"clvsim://{root}")


class Loader(ConfigLoaderImpl):
    """Hydra's own, whose result is looked at before Hydra does what it says: by whatever way something came there."""

    def load_configuration(self, *words: Any, **options: Any) -> DictConfig:
        composed = super().load_configuration(*words, **options)
        require_our_hydra(OmegaConf.to_container(composed.hydra))
        return composed


def register() -> None:
    vars(hydra._internal.hydra).update(ConfigLoaderImpl=Loader)
    Plugins.instance().register(NamedFiles)
    Plugins.instance().register(NamedFilesPath)
