# Needs only make and Python >= 3.10; everything else goes into a local .venv, made on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint clean
.DELETE_ON_ERROR:

help:  ## Say what can be made
	@echo 'Give one of these to make (another interpreter: make PYTHON=python3.12 ...):'
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' Makefile

setup: $(VENV)/.all  ## Install everything, training and tests included, into .venv

demo: $(VENV)/.demo  ## Real node, sample bag, dying cameras: watch the labels keep coming
	@$(BIN)/m3l demo

test: lint  ## Lint, check types and run all tests
	$(BIN)/python -m pytest

lint: $(VENV)/.all  ## Check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict -p m3l_core -p m3l_perception

clean:  ## Remove .venv and everything that was made
	rm -rf $(VENV) build install log out *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Each stamp is written last, so an interrupted installation is taken up again.
$(VENV)/.all: $(VENV)/.made setup.py constraints.txt
	@echo 'Installing what training, node and tests need (torch among it: this takes minutes) ...'
	@$(INSTALL) -e '.[train,openvino,ros,bags,rooms,test]'
	@touch $@ $(VENV)/.demo

$(VENV)/.demo: $(VENV)/.made setup.py constraints.txt
	@$(BIN)/python -c "$$CHECK_WHEELS"
	@echo 'Installing what the demo needs (about 600 MB on disk, no torch) ...'
	@$(INSTALL) -e '.[openvino,ros,bags]'
	@touch $@

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "$$NO_PYTHON" >&2; exit 1; }
	@$(PYTHON) -c "$$CHECK_PYTHON"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# What is wrong and what to do, in one line each; any Python since 2.7 can read it.
define NO_PYTHON
make: there is no $(PYTHON). Install Python 3.10 or newer, or name one: make PYTHON=/path/to/python3
endef

define CHECK_PYTHON
import sys
version = '.'.join(str(part) for part in sys.version_info[:3])
if sys.version_info < (3, 10):
    sys.exit('make: $(PYTHON) is Python %s, 3.10 or newer is needed. '
             'Name one: make PYTHON=python3.12' % version)
try:
    import ensurepip, venv
except ImportError as error:
    sys.exit('make: $(PYTHON) lacks %s. Install it (Debian, Ubuntu: sudo apt install python3-venv) '
             'or name another: make PYTHON=python3.12' % error.name)
endef

define CHECK_WHEELS
import platform, sys
here = (sys.platform, platform.machine())
if here != ('linux', 'x86_64') or sys.version_info >= (3, 14):
    sys.exit('make: the ROS 2 wheels need Linux on x86-64 and Python 3.10 to 3.13, this is %s on %s '
             'with Python %d.%d. Name another (make clean; make demo PYTHON=python3.12) or use a '
             'ROS 2 distribution (README.md).' % (here + sys.version_info[:2]))
endef

export NO_PYTHON CHECK_PYTHON CHECK_WHEELS
