"""Light along paths through a Mitsuba scene, in Dr.Jit: one kernel a frame. Import it once a variant is set.

What Mitsuba's `path` integrator does, but a path that meets what is no number ends there, and chance ends none before its time.
"""

from __future__ import annotations

import importlib
from typing import Any

dr: Any = importlib.import_module("drjit")
mi: Any = importlib.import_module("mitsuba")


@dr.syntax  # type: ignore[untyped-decorator, unused-ignore]
def radiance(scene: Any, sampler: Any, ray: Any, bounces: int) -> Any:
    """What comes back along `ray` (mi.Ray3f, N of them): mi.Color3f, linear; what lights up after `bounces` surfaces is dark.

    Emitters are sampled at each surface and hit by chance; the two are weighed by the balance of their densities squared (Veach
    & Guibas 1995).
    """
    context = mi.BSDFContext()
    ray = mi.Ray3f(ray)
    light, share = mi.Color3f(0.0), mi.Color3f(1.0)
    depth = mi.UInt32(0)
    active = mi.Bool(True)
    last = dr.zeros(mi.SurfaceInteraction3f)  # where the path came from, ...
    density = mi.Float(1.0)  # ... how densely its direction was sampled there, ...
    spread = mi.Float(0.0)  # ... and 1 where others could be; 0 for the camera's rays and behind mirrors

    while active:
        hit = scene.ray_intersect(ray, active)
        sound = finite(hit.p) & finite(hit.n) & finite(hit.sh_frame.n) & finite(hit.sh_frame.s) & finite(hit.wi)
        active &= dr.select(hit.is_valid(), sound, True)

        # the light that it runs into
        seen = mi.DirectionSample3f(scene, hit, last)
        chance = spread * scene.pdf_emitter_direction(last, seen, active)
        glow = share * seen.emitter.eval(hit, active) * weight(density, dr.select(spread > 0.0, chance, 0.0))
        light = dr.select(active & finite(glow), light + glow, light)

        # the light that is sampled
        active &= hit.is_valid() & (depth + 1 < bounces)
        bsdf = hit.bsdf(ray)
        aim, power = scene.sample_emitter_direction(hit, sampler.next_2d(), True, active)
        passed, other = bsdf.eval_pdf(context, hit, hit.to_local(aim.d), active)
        direct = share * passed * power * weight(aim.pdf, other)
        light = dr.select(active & (aim.pdf != 0.0) & finite(direct), light + direct, light)

        # on
        chosen, factor = bsdf.sample(context, hit, sampler.next_1d(), sampler.next_2d(), active)
        share = share * factor
        ray = hit.spawn_ray(hit.to_world(chosen.wo))
        last, density = hit, chosen.pdf
        spread = dr.select(mi.has_flag(chosen.sampled_type, mi.BSDFFlags.Delta), 0.0, 1.0)
        active &= finite(share) & (dr.max(share) > 0.0) & finite(ray.d) & finite(ray.o)
        depth += 1
    return light


def weight(a: Any, b: Any) -> Any:
    """Of a sample of density `a` where another way has density `b`."""
    squared = dr.square(a)
    return dr.select(a > 0.0, squared / (squared + dr.square(b)), 0.0)


def finite(vector: Any) -> Any:
    return dr.all(dr.isfinite(vector))
