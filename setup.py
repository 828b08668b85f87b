"All settings are in settings.ini: edit them there, not here."
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

here = Path(__file__).parent
config = ConfigParser(delimiters=['='])
config.read(here/'settings.ini', encoding='utf-8')
cfg = config['DEFAULT']

expected = ('lib_name version description keywords author author_email user branch git_url '
            'license status min_python audience language requirements').split()
for o in expected: assert o in cfg, f'missing expected setting: {o}'

licenses = dict(apache2='Apache-2.0')
statuses = ['1 - Planning', '2 - Pre-Alpha', '3 - Alpha', '4 - Beta', '5 - Production/Stable', '6 - Mature', '7 - Inactive']
py_versions = '3.10 3.11 3.12 3.13'.split()

class BuildWithDemo(build_py):
    "The demo lies in nbs/; in a wheel it lies in the package, where `qgvae demo` finds it."
    def run(self):
        super().run()
        if self.editable_mode: return
        self.copy_file(str(here/'nbs'/'demo.ipynb'), str(Path(self.build_lib)/cfg['lib_name']/'demo.ipynb'))

extras = {o: cfg.get(f'{o}_requirements', '').split() for o in ('eval', 'onnx', 'schedulefree')}

setup(
    name = cfg['lib_name'],
    version = cfg['version'],
    description = cfg['description'],
    long_description = (here/'README.md').read_text(encoding='utf-8'),
    long_description_content_type = 'text/markdown',
    keywords = cfg['keywords'],
    author = cfg['author'],
    author_email = cfg['author_email'],
    url = cfg['git_url'],
    license = licenses[cfg['license']],
    classifiers = [
        f"Development Status :: {statuses[int(cfg['status'])-1]}",
        f"Intended Audience :: {cfg['audience'].title()}",
        f"Natural Language :: {cfg['language'].title()}",
    ] + [f'Programming Language :: Python :: {o}' for o in py_versions if py_versions.index(o) >= py_versions.index(cfg['min_python'])],
    python_requires = f">={cfg['min_python']}",
    cmdclass = dict(build_py=BuildWithDemo),
    packages = find_packages(include=[cfg['lib_name'], f"{cfg['lib_name']}.*"]),
    package_data = {cfg['lib_name']: cfg.get('package_data', '').split()},
    include_package_data = False,
    install_requires = cfg['requirements'].split(),
    extras_require = dict(dev=sum(extras.values(), cfg.get('dev_requirements', '').split()), **extras),
    entry_points = dict(
        console_scripts = cfg.get('console_scripts', '').split(),
        nbdev = [f"{cfg['lib_name']}={cfg['lib_path']}._modidx:d"],
    ),
    zip_safe = False,
)
