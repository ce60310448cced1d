"""The options of ``strata explain``, each with its help."""

from typing import Annotated

from strata.cli._options import argument, option

__all__: list[str] = []

Model = Annotated[
    str, argument(metavar="MODEL", help="Model folder, run folder, or a network of `strata models` with --weights.")
]
Image = Annotated[str, argument(metavar="IMAGE", help="Picture; or SET:ROW, a picture of a bundled set.")]
Out = Annotated[
    str | None, option("--out", "-o", metavar="DIR", help="Folder to write; by default runs/explain-IMAGE-N.")
]
What = Annotated[
    list[str] | None,
    option(
        "--what",
        metavar="NAME",
        help="prediction, evidence, saliency, maps, patterns, made, filters, neighbours, projection; may be repeated. "
        "By default all.",
    ),
]
Layer = Annotated[
    list[str] | None,
    option("--layer", metavar="NAME", help="Layer to look into; may be repeated. By default a low, a mid, a high one."),
]
Target = Annotated[
    str | None, option("--target", "-t", metavar="CLASS", help="Class to explain; by default the most probable one.")
]
Against = Annotated[
    str | None,
    option("--against", metavar="DATA", help="Folder or bundled set: nearest images, and a plane of features."),
]
Projection = Annotated[str, option("--projection", metavar="NAME", help="How the plane is made: tsne or pca.")]
Steps = Annotated[
    int, option("--steps", metavar="N", min=1, help="Steps in which images are made for units and classes.")
]
Weights = Annotated[
    str | None,
    option("--weights", metavar="NAME", help="Of a network: published weights, or a .safetensors or .npz file."),
]
Classes = Annotated[
    str | None, option("--classes", metavar="FILE", help="Names of the classes of --weights, one a line.")
]
Param = Annotated[
    list[str] | None,
    option("--param", metavar="NAME=VALUE", help="Option of the network of --weights; may be repeated."),
]
Force = Annotated[bool, option("--force", help="Replace the explanation in --out.")]
AllowNonfinite = Annotated[bool, option("--allow-nonfinite", help="Load weights that are NaN or infinite.")]
