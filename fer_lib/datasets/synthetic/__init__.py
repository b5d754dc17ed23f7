"""Generated grey faces whose expressions are built from Ekman's action units: stand-ins that anyone may have.

They let every notebook and test run without the licensed corpora. They say nothing about people: results made from them
are marked SYNTHETIC. ``people.py`` samples who is drawn, with which action units and how photographed, ``geometry.py``
and ``render.py`` draw, ``faces.py`` draws faces by expression, and ``writers.py`` writes corpora of them.
``patterns.py`` draws and writes striped patterns in classes, for pre-training.

The drawing is deterministic on any machine: face i of a call depends on (seed, i), its own expression and the call's
other arguments, not on the number of faces that are drawn with it.

The writers use the corpora's own formats, so that everything downstream runs the real loaders. Each writer puts
``SYNTHETIC.txt`` into its folder before any face: a loader that finds the file marks its faces SYNTHETIC, even where
the writing was cut short. The same call writes the same files again.
"""
