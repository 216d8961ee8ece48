"""A face seen from the front, drawn by us, with the library's zones as areas that can be filled. Pure.

Everything is in units of :data:`WIDTH` × :data:`HEIGHT`, x to the right, y down. What lies on both sides is drawn on
both: the record knows a zone and no side. A zone that is not in :data:`AREAS` has no place on a face; whoever draws one
names it beside the picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 200
HEIGHT: Final = 262

_CONTOUR: Final = (
    "M100 16C62 16 39 47 39 91C39 110 42 128 47 144C53 166 71 190 87 201C95 206 105 206 113 201C129 190 147 166 153 144"
    "C158 128 161 110 161 91C161 47 138 16 100 16Z"
)
_HAIRLINE: Final = "M41.5 84C43 62 60 43 100 43C140 43 157 62 158.5 84"
_EARS: Final = "M39.5 95C33 91 30 97 32 107C33 117 37 126 43 125M160.5 95C167 91 170 97 168 107C167 117 163 126 157 125"
_SHOULDERS: Final = (
    "M72 190C73 214 71 224 62 232C51 240 32 244 20 257M128 190C127 214 129 224 138 232C149 240 168 244 180 257"
)
_BROWS: Final = "M56 83C63 77 75 77 84 82M144 83C137 77 125 77 116 82"
_EYES: Final = (
    "M60 98C65 91.5 79 91.5 84 99C78 104 66 104 60 98ZM140 98C135 91.5 121 91.5 116 99C122 104 134 104 140 98Z"
)
_IRISES: Final = ((72, 97.6), (128, 97.6))
_NOSTRILS: Final = "M91 141.5C93 144 96 145 100 145C104 145 107 144 109 141.5"
_LIPS: Final = (
    "M83 163C90 158 96 158.5 100 160.5C104 158.5 110 158 117 163C111 172 89 172 83 163ZM83 163C92 165 108 165 117 163"
)

AREAS: Final[Mapping[str, str]] = {
    "scalp": (
        "M40.5 84C41 44 64 17.5 100 17.5C136 17.5 159 44 159.5 84C158 60 140 41.5 100 41.5C60 41.5 42 60 40.5 84Z"
    ),
    "forehead": (
        "M46 78C49 58 68 45.5 100 45.5C132 45.5 151 58 154 78C143 71 125 72 114 79C110 75 90 75 86 79"
        "C75 72 57 71 46 78Z"
    ),
    "glabella": ("M87.5 82C92 77.5 108 77.5 112.5 82C110 88 108.5 93 107.5 98L92.5 98C91.5 93 90 88 87.5 82Z"),
    "periorbital": (
        "M53 97C54 88 64 85 72 85C81 85 89 89 90 98C89 107 81 111 72 111C62 111 54 106 53 97ZM147 97"
        "C146 88 136 85 128 85C119 85 111 89 110 98C111 107 119 111 128 111C138 111 146 106 147 97Z" + _EYES
    ),
    "nose": (
        "M92.8 100L107.2 100C108 112 110 123 115 132C118 138 113 143 107.5 141.5C104 146 96 146 92.5 141.5"
        "C87 143 82 138 85 132C90 123 92 112 92.8 100Z"
    ),
    "cheek": (
        "M44.5 108C52 114 66 116 82 112C87 117 85 124 82 130C78 138 77 146 75.5 152C66 156 56 152 50 143"
        "C46 133 44 120 44.5 108ZM155.5 108C148 114 134 116 118 112C113 117 115 124 118 130"
        "C122 138 123 146 124.5 152C134 156 144 152 150 143C154 133 156 120 155.5 108Z"
    ),
    "upper-lip": (
        "M88.5 147C92 145.8 96 147.5 100 148C104 147.5 108 145.8 111.5 147C114 151 115.5 154.5 116 158.5"
        "C110 155 104 156 100 158C96 156 90 155 84 158.5C84.5 154.5 86 151 88.5 147Z"
    ),
    "perioral": (
        "M85 146C76.5 150 72.5 168 80 174C91 180 109 180 120 174C127.5 168 123.5 150 115 146"
        "C117.5 150 119.5 157 119.5 162.5C116 170 110 173.5 100 173.5C90 173.5 84 170 80.5 162.5"
        "C80.5 157 82.5 150 85 146Z"
    ),
    "chin": (
        "M81 178C92 183.5 108 183.5 119 178C120.5 187 118 195 112 199.5C105 204 95 204 88 199.5C82 195 79.5 187 81 178Z"
    ),
    "jaw": (
        "M49 148C56 156 65 160 74.5 157.5C73.5 166 75 173 78.5 178C77.5 186 79 191 81.5 195"
        "C69 186 55 167 49 148ZM151 148C144 156 135 160 125.5 157.5C126.5 166 125 173 121.5 178"
        "C122.5 186 121 191 118.5 195C131 186 145 167 151 148Z"
    ),
    "neck": ("M74 195C85 209 115 209 126 195C126.5 212 128 222 134 230C122 242 78 242 66 230C72 222 73.5 212 74 195Z"),
}
"""The zones that have a place on the face, as SVG paths; holes by the even-odd rule."""

MARKS: Final[Mapping[str, tuple[float, float]]] = {
    "scalp": (100, 29),
    "forehead": (100, 59),
    "glabella": (100, 88),
    "periorbital": (144, 106),
    "nose": (100, 124),
    "cheek": (62, 132),
    "upper-lip": (100, 151.5),
    "perioral": (100, 176),
    "chin": (100, 191.5),
    "jaw": (136, 168),
    "neck": (100, 223),
}
"""Where a zone's number stands."""


@dataclass(frozen=True, slots=True)
class Fill:
    """How a zone is filled: a colour as ``#rrggbb``; ``strong`` draws its edge thick, ``dashed`` broken."""

    colour: str
    strong: bool = False
    dashed: bool = False


def face_svg(fills: Mapping[str, Fill]) -> str:
    """The face with these zones filled, as an SVG document. Zones without a place on it are left out."""
    areas = [_area(AREAS[zone], fill) for zone, fill in fills.items() if zone in AREAS]
    line = 'fill="none" stroke="#6f6a64" stroke-width="1" stroke-linecap="round" stroke-linejoin="round"'
    features = [
        *(f'<path d="{path}" {line}/>' for path in (_BROWS, _NOSTRILS)),
        f'<path d="{_EYES}" fill="#ffffff" stroke="#6f6a64" stroke-width="0.9"/>',
        *(f'<circle cx="{x}" cy="{y}" r="3.4" fill="#8c867f"/>' for x, y in _IRISES),
        f'<path d="{_LIPS}" fill="#efe3dd" stroke="#6f6a64" stroke-width="0.9"/>',
    ]
    skin = 'fill="#faf6f2" stroke="#6f6a64" stroke-width="1.1" stroke-linecap="round"'
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
            f' width="{WIDTH}" height="{HEIGHT}">',
            f'<path d="{_SHOULDERS}" {line}/>',
            f'<path d="{_EARS}" {skin}/>',
            f'<path d="{_CONTOUR}" {skin}/>',
            f'<path d="{_HAIRLINE}" {line} stroke-dasharray="0.1 2.4"/>',
            *areas,
            *features,
            "</svg>",
        ]
    )


def _area(path: str, fill: Fill) -> str:
    width, dashes = (1.6 if fill.strong else 0.8), (' stroke-dasharray="2.4 1.8"' if fill.dashed else "")
    return (
        f'<path d="{path}" fill="{fill.colour}" fill-rule="evenodd" stroke="#2b4257" stroke-width="{width}"'
        f' stroke-linejoin="round"{dashes}/>'
    )
