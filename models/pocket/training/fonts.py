"""Which font files may draw the pocket model's words: one set to train, another to evaluate.

The two sets share no typeface, so that reading is measured on letters whose outlines the model
has never met. The evaluation set comes from Python packages: anybody can repeat it without
installing system fonts. The training set is wider and mostly comes from Debian packages.
"""

from __future__ import annotations

import functools
import importlib.metadata
from pathlib import Path

from models.errors import FontsError

# No italics and no thin cuts: at eleven pixels a letter they say more about hinting than reading.
DEBIAN_FILES: dict[str, tuple[str, tuple[str, ...]]] = {
    "fonts-dejavu-core": (
        "truetype/dejavu",
        (
            "DejaVuSans.ttf",
            "DejaVuSans-Bold.ttf",
            "DejaVuSansMono.ttf",
            "DejaVuSansMono-Bold.ttf",
            "DejaVuSerif.ttf",
            "DejaVuSerif-Bold.ttf",
        ),
    ),
    "fonts-liberation": (
        "truetype/liberation",
        (
            "LiberationSans-Regular.ttf",
            "LiberationSans-Bold.ttf",
            "LiberationSansNarrow-Regular.ttf",
            "LiberationSansNarrow-Bold.ttf",
            "LiberationSerif-Regular.ttf",
            "LiberationSerif-Bold.ttf",
            "LiberationMono-Regular.ttf",
            "LiberationMono-Bold.ttf",
        ),
    ),
    "fonts-freefont-ttf": (
        "truetype/freefont",
        ("FreeSans.ttf", "FreeSansBold.ttf", "FreeSerif.ttf", "FreeSerifBold.ttf")
        + ("FreeMonoBold.ttf",),
    ),
    "fonts-lato": (
        "truetype/lato",
        ("Lato-Regular.ttf", "Lato-Medium.ttf", "Lato-Semibold.ttf", "Lato-Bold.ttf")
        + ("Lato-Heavy.ttf", "Lato-Black.ttf"),
    ),
    "fonts-open-sans": (
        "truetype/open-sans",
        ("OpenSans-Regular.ttf", "OpenSans-Semibold.ttf", "OpenSans-Bold.ttf")
        + ("OpenSans-ExtraBold.ttf", "OpenSans-CondBold.ttf"),
    ),
    "fonts-cantarell": (
        "opentype/cantarell",
        ("Cantarell-Regular.otf", "Cantarell-Bold.otf", "Cantarell-ExtraBold.otf"),
    ),
    "fonts-comfortaa": (
        "truetype/comfortaa",
        ("Comfortaa-Regular.ttf", "Comfortaa-Bold.ttf"),
    ),
    "fonts-crosextra-carlito": (
        "truetype/crosextra",
        ("Carlito-Regular.ttf", "Carlito-Bold.ttf"),
    ),
    "fonts-linuxlibertine": (
        "opentype/linux-libertine",
        ("LinLibertine_R.otf", "LinLibertine_RB.otf", "LinLibertine_RZ.otf")
        + ("LinBiolinum_R.otf", "LinBiolinum_RB.otf"),
    ),
    "fonts-inter": (
        "opentype/inter",
        ("Inter-Regular.otf", "Inter-Medium.otf", "Inter-SemiBold.otf", "Inter-Bold.otf")
        + ("Inter-ExtraBold.otf", "Inter-Black.otf"),
    ),
    "fonts-hack": ("truetype/hack", ("Hack-Regular.ttf", "Hack-Bold.ttf")),
    "fonts-quicksand": (
        "truetype/quicksand",
        ("Quicksand-Regular.ttf", "Quicksand-Medium.ttf", "Quicksand-Bold.ttf"),
    ),
    "fonts-ebgaramond": ("opentype/ebgaramond", ("EBGaramond12-Regular.otf",)),
    "fonts-adf-universalis": (
        "truetype/adf",
        ("UniversalisADFStd-Regular.otf", "UniversalisADFStd-Bold.otf")
        + ("UniversalisADFStd-BoldCond.otf",),
    ),
    "fonts-b612": ("opentype/b612", ("B612-Regular.otf", "B612-Bold.otf", "B612Mono-Bold.otf")),
    "fonts-bebas-neue": ("opentype/bebas-neue", ("BebasNeue-Regular.otf", "BebasNeue-Bold.otf")),
    "fonts-cabin": (
        "opentype/cabin",
        ("Cabin-Regular.otf", "Cabin-SemiBold.otf", "Cabin-Bold.otf"),
    ),
    "fonts-courier-prime": (
        "opentype/courier-prime",
        ("Courier Prime.otf", "Courier Prime Bold.otf", "Courier Prime Sans Bold.otf"),
    ),
    "fonts-dosis": ("opentype/dosis", ("Dosis-Medium.otf", "Dosis-Bold.otf")),
    "fonts-play": ("truetype/play", ("Play-Regular.ttf", "Play-Bold.ttf")),
    "fonts-quattrocento": ("opentype/quattrocento", ("Quattrocento-Regular.otf",)),
    "fonts-roboto-slab": (
        "opentype/roboto/slab",
        ("RobotoSlab-Regular.otf", "RobotoSlab-Bold.otf"),
    ),
    "fonts-tuffy": ("truetype/tuffy", ("Tuffy.ttf", "Tuffy_Bold.ttf")),
    "fonts-urw-base35": (
        "opentype/urw-base35",
        ("C059-Roman.otf", "C059-Bold.otf", "P052-Roman.otf", "P052-Bold.otf")
        + ("URWBookman-Light.otf", "URWBookman-Demi.otf", "URWGothic-Book.otf")
        + ("URWGothic-Demi.otf", "NimbusMonoPS-Bold.otf", "NimbusSansNarrow-Bold.otf"),
    ),
    "fonts-vollkorn": (
        "truetype/vollkorn",
        ("Vollkorn-Regular.ttf", "Vollkorn-SemiBold.ttf", "Vollkorn-Black.ttf"),
    ),
    "fonts-yanone-kaffeesatz": (
        "opentype/yanone-kaffeesatz",
        ("YanoneKaffeesatz-Regular.otf", "YanoneKaffeesatz-Bold.otf"),
    ),
}

_TRAINING_PACKAGES: dict[str, tuple[str, ...]] = {
    "font-roboto": (
        "Roboto-Regular.ttf",
        "Roboto-Medium.ttf",
        "Roboto-Bold.ttf",
        "Roboto-Black.ttf",
    ),
}

_HELD_OUT_PACKAGES: dict[str, tuple[str, ...]] = {
    "font-caladea": ("Caladea-Regular.ttf", "Caladea-Bold.ttf"),
    "font-manrope": ("Manrope-Regular.ttf", "Manrope-Bold.ttf"),
    "font-fredoka-one": ("FredokaOne-Regular.ttf",),
    "font-source-sans-pro": ("SourceSansPro-Regular.ttf", "SourceSansPro-Bold.ttf"),
    "font-hanken-grotesk": ("HankenGrotesk-Regular.otf", "HankenGrotesk-Bold.otf"),
}

_SYSTEM_FOLDER = Path("/usr/share/fonts")


def _package_files(packages: dict[str, tuple[str, ...]]) -> list[Path]:
    """Locate font files inside installed Python packages, in the order in which they are named."""
    found: list[Path] = []
    for package, names in packages.items():
        try:
            distribution = importlib.metadata.distribution(package)
        except importlib.metadata.PackageNotFoundError:
            raise FontsError(
                f"font package {package} is not installed; run: pip install {package}"
            ) from None
        paths = {Path(str(file)).name: file.locate() for file in distribution.files or ()}
        for name in names:
            path = paths.get(name)
            if path is None or not Path(str(path)).is_file():
                raise FontsError(f"{package} lacks {name}; reinstall it: pip install -I {package}")
            found.append(Path(str(path)))
    return found


@functools.lru_cache(maxsize=1)
def held_out_fonts() -> tuple[Path, ...]:
    """Return the font files of the evaluation split, always in the same order.

    Raises:
        FontsError: a font package is not installed or is incomplete.
    """
    return tuple(_package_files(_HELD_OUT_PACKAGES))


@functools.lru_cache(maxsize=4)
def training_fonts(system_folder: Path = _SYSTEM_FOLDER) -> tuple[Path, ...]:
    """Return the font files of the training split, always in the same order.

    The list is complete or refused: with a font missing, the same seed would draw another picture.

    Raises:
        FontsError: a font is missing; the message holds the command that installs them all.
    """
    paths = [
        system_folder / folder / name for folder, names in DEBIAN_FILES.values() for name in names
    ]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise FontsError(
            f"{len(missing)} training fonts are missing ({missing[0]} first); run as root: "
            f"apt-get install -y {' '.join(DEBIAN_FILES)}"
        )
    return (*paths, *_package_files(_TRAINING_PACKAGES))
