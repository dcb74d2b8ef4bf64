# What a person types. Everything here also works by hand; see the scripts in deploy/setup.
#
#   make demo                                        20 halls, until Ctrl-C
#   make demo ARGS="--halls 3 --until-caught-up"     ends by itself, totals held against the file
#   make demo ARGS="--help"
#   make test      make check      make bench      make panel      make build      make fuzz      make deb

.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
# Two make targets at once would only wait for each other's cargo.
.NOTPARALLEL:

ARGS ?=
PROFILE ?= dev
CARGO ?= cargo
target := $(or $(CARGO_TARGET_DIR),target)
programs := $(target)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
tests = $(CARGO) test --profile $(if $(filter dev,$(PROFILE)),test,$(PROFILE)) --workspace
in_panel := deploy/setup/panel.sh
panel := gateway/panel
panel_sources := $(shell find $(panel) \( -name node_modules -o -name dist -o -name '*.d.ts' \) -prune \
	-o -type f -print)

# One set of flags for all that is optimized, so that it is compiled once; paths of this machine stay out of it.
release := RUSTFLAGS="--remap-path-prefix=$(CURDIR)=zhiban --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=cargo" $(CARGO)

.PHONY: setup setup-build build panel demo test test-panel torture bench check fuzz deb transcript

setup:
	@deploy/setup/system.sh

setup-build:
	@deploy/setup/system.sh build

# The panel is built again only when something in it changed, or was thrown away.
panel: setup-build target/panel.stamp

target/panel.stamp: $(panel)/node_modules/.package-lock.json $(panel_sources) \
		$(if $(wildcard $(panel)/dist/hall.html),,no-panel)
	$(in_panel) npm run build
	@mkdir -p $(@D) && touch $@

$(panel)/node_modules/.package-lock.json: $(panel)/package.json $(panel)/package-lock.json
	$(in_panel) npm ci --no-audit --no-fund
	@touch $@

.PHONY: no-panel
no-panel:

build: panel
	$(CARGO) build --profile $(PROFILE) --workspace --bins
	@echo "The programs are in $(programs). Next: make demo, or README.md, Run a hall."

demo: build
	@$(programs)/demo $(ARGS)

test-panel: panel
	$(in_panel) npm run lint
	$(in_panel) npm test

test: setup test-panel build
	deploy/setup/peers.sh
	$(tests) --no-run
	tests/halves.sh $(tests)

# Every parser of bytes, ten minutes each; needs cargo-fuzz and a nightly toolchain.
fuzz:
	drivers/fuzz/run.sh

# The long form of the rig (tests/README.md): the line in ten thousand storms, both programs killed a
# hundred times and ended at every step, power cuts, a bad line, noise, a thousand halls that come back
# in the same second, a week that is sent at once, then builds with one promise broken each: every one
# must be caught.
torture: build
	deploy/setup/peers.sh
	ZHIBAN_FLIPS=1000 $(CARGO) test --workspace --lib -- flipped_bits_anywhere
	$(release) test --release --workspace --test storm -- --seeds $(or $(SEEDS),10000)
	ZHIBAN_KILLS=100 $(CARGO) test --workspace --test killed --test kill_nine_loses_nothing -- --nocapture
	ZHIBAN_CUTS=50 $(CARGO) test --workspace --test a_power_cut_loses_nothing -- --nocapture
	ZHIBAN_CRASHES=5 $(CARGO) test --workspace --test killed_at_every_step -- --nocapture
	ZHIBAN_FACTS=140000 $(CARGO) test --workspace --test a_bad_line_loses_nothing -- --nocapture
	ZHIBAN_FRAMES=1000000 $(CARGO) test --workspace --test a_hostile_line_breaks_nothing -- --nocapture
	ZHIBAN_HALLS=1000 ZHIBAN_LINES=100 $(CARGO) test --workspace --test a_fleet_comes_back_at_once -- --nocapture
	ZHIBAN_BACKLOG=140000 $(CARGO) test --workspace --test an_alarm_overtakes_the_backlog -- --nocapture
	tests/sabotage.sh

# Figures are worth something from an optimized build only.
bench: panel
	$(release) build --release --workspace --bins
	$(release) bench --workspace --bench centre -- $(ARGS)
	$(release) bench --workspace --bench line -- $(ARGS)
	$(release) bench --workspace --bench bench -- $(ARGS)

check: panel
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' $(CARGO) doc --workspace --no-deps --document-private-items

# Debian packages of both programs into target/debian.
cargo_deb_version := 3.6.4

deb: panel target/tools/bin/cargo-deb
	$(release) build --release --workspace --bins
	for p in gateway central; do \
		PATH="$(CURDIR)/target/tools/bin:$$PATH" $(CARGO) deb --no-build --no-strip -p zhiban-$$p || exit 1; \
	done

target/tools/bin/cargo-deb:
	$(CARGO) install --locked cargo-deb@$(cargo_deb_version) --root target/tools

# What store IT does, from an empty Debian on, written down; needs root.
transcript: deb
	deploy/transcript.sh target/transcript.txt
