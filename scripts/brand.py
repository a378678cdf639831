"""Draw EVConduit's mark and write the brand images for Home Assistant: python scripts/brand.py [FOLDER].

The mark is a circular conduit that ends in a plug, with a bolt in the middle.
"""

import math
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFont

FOLDER = Path(__file__).parent.parent / "custom_components" / "evconduit" / "brand"

type Colour = tuple[int, int, int]
type Point = tuple[float, float]

TEAL: Colour = (13, 188, 163)
BLUE: Colour = (36, 99, 235)
AMBER: Colour = (255, 179, 26)
DARK_TEXT: Colour = (23, 37, 61)
LIGHT_TEXT: Colour = (240, 245, 252)

OVERSAMPLING = 4
"""Images are drawn this many times larger and then scaled down, because Pillow's shapes are not antialiased."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """The mark's dimensions, as fractions of its side."""

    radius: float = 0.365
    width: float = 0.115
    # Degrees clockwise from three o'clock. The plug is at the end.
    start: float = 62
    end: float = 328


def draw_mark(side: int) -> Image.Image:
    """Draw the mark on a transparent square of `side` pixels."""
    canvas_side = side * OVERSAMPLING
    conduit = Image.new("L", (canvas_side, canvas_side), 0)
    _draw_conduit(ImageDraw.Draw(conduit), canvas_side, Mark())
    bolt = Image.new("L", (canvas_side, canvas_side), 0)
    _draw_bolt(ImageDraw.Draw(bolt), canvas_side)
    image = Image.new("RGBA", (canvas_side, canvas_side), (0, 0, 0, 0))
    image.paste(_create_gradient(canvas_side), mask=conduit)
    image.paste((*AMBER, 255), mask=bolt)
    return _trim_to_square(image).resize((side, side), Image.Resampling.LANCZOS)


def _trim_to_square(image: Image.Image) -> Image.Image:
    """Crop to the smallest square that contains the drawing."""
    box = image.getbbox() or (0, 0, *image.size)
    width, height = box[2] - box[0], box[3] - box[1]
    side = max(width, height)
    square = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    square.paste(image.crop(box), ((side - width) // 2, (side - height) // 2))
    return square


def _draw_conduit(draw: ImageDraw.ImageDraw, side: int, mark: Mark) -> None:
    # Dots instead of an arc: Pillow's arcs leave a step at a round end.
    steps = round((mark.end - mark.start) * 4)
    for step in range(steps + 1):
        degrees = mark.start + (mark.end - mark.start) * step / steps
        _draw_dot(draw, _point_on_circle(side / 2, mark.radius * side, degrees), mark.width * side / 2)
    _draw_plug(draw, side, mark)


def _draw_plug(draw: ImageDraw.ImageDraw, side: int, mark: Mark) -> None:
    """Draw the plug: a body across the conduit's end, and two pins along the circle."""
    angle = math.radians(mark.end)
    base = _point_on_circle(side / 2, mark.radius * side, mark.end)
    along = (-math.sin(angle), math.cos(angle))
    across = (math.cos(angle), math.sin(angle))

    def point_at(forward: float, sideways: float) -> Point:
        return (
            base[0] + side * (forward * along[0] + sideways * across[0]),
            base[1] + side * (forward * along[1] + sideways * across[1]),
        )

    _draw_rounded(
        draw, [point_at(0.0, -0.085), point_at(0.1, -0.085), point_at(0.1, 0.085), point_at(0.0, 0.085)], 0.024 * side
    )
    for sideways in (-0.055, 0.055):
        _draw_rounded(draw, [point_at(0.1, sideways), point_at(0.185, sideways)], 0.021 * side)


def _draw_bolt(draw: ImageDraw.ImageDraw, side: int) -> None:
    shape = [(0.545, 0.29), (0.375, 0.535), (0.478, 0.535), (0.455, 0.71), (0.625, 0.465), (0.522, 0.465)]
    _draw_rounded(draw, [(x * side, y * side) for x, y in shape], 0.022 * side)


def _draw_rounded(draw: ImageDraw.ImageDraw, points: list[Point], radius: float) -> None:
    """Draw a line or polygon with round corners, expanded by `radius`."""
    if len(points) > 2:  # noqa: PLR2004 - two points are a line
        draw.polygon(points, fill=255)
    draw.line([*points, points[0]], fill=255, width=round(2 * radius))
    for point in points:
        _draw_dot(draw, point, radius)


def _draw_dot(draw: ImageDraw.ImageDraw, centre: Point, radius: float) -> None:
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)


def _point_on_circle(centre: float, radius: float, degrees: float) -> Point:
    angle = math.radians(degrees)
    return centre + radius * math.cos(angle), centre + radius * math.sin(angle)


def _create_gradient(side: int) -> Image.Image:
    """Create a gradient from teal (top left) to blue (bottom right)."""
    vertical = Image.linear_gradient("L").resize((side, side))
    slope = ImageChops.add(vertical, vertical.transpose(Image.Transpose.ROTATE_90), scale=2)
    return Image.composite(Image.new("RGB", slope.size, BLUE), Image.new("RGB", slope.size, TEAL), slope)


def draw_logo(height: int, ink: Colour) -> Image.Image:
    """Draw the mark with the name beside it."""
    mark = draw_mark(height)
    font = ImageFont.load_default(size=height * 0.5)  # Pillow's built-in font, the same on every machine
    left, _, right, _ = font.getbbox("EVConduit")
    image = Image.new("RGBA", (round(height * 1.08 + right - left), height), (0, 0, 0, 0))
    image.alpha_composite(mark)
    draw = ImageDraw.Draw(image)
    draw.text((height * 1.06 - left, height * 0.5), "EVConduit", fill=(*ink, 255), font=font, anchor="lm")
    return image


def main(folder: Path) -> None:
    """Write all images into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, scale in (("", 1), ("@2x", 2)):
        draw_mark(256 * scale).save(folder / f"icon{suffix}.png", optimize=True)
        draw_logo(144 * scale, DARK_TEXT).save(folder / f"logo{suffix}.png", optimize=True)
        draw_logo(144 * scale, LIGHT_TEXT).save(folder / f"dark_logo{suffix}.png", optimize=True)
    print(f"wrote {len(list(folder.glob('*.png')))} images to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
