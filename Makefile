# The few commands that people need. `make demo` and `make test` set up what the machine lacks.

TARGET  ?= x86_64-unknown-linux-musl
RELEASE := target/$(TARGET)/release
CASQUE  := $(RELEASE)/casque
STAVE   := $(RELEASE)/stave
CARGO   ?= cargo
PREFIX  ?= /usr/local

# What Debian has to give: the C compiler for stave's C libraries; busybox as a user land.
BUILD_PACKAGES := musl-tools
DEMO_PACKAGES  := busybox-static
# Programs that the tests compare with or count with.
TEST_PACKAGES  := busybox-static bzip2 xz-utils strace skopeo umoci mmdebstrap zstd libcap2-bin attr libseccomp-dev uidmap docker-registry apache2-utils openssl iproute2 parallel erofs-utils

# Engines that run containers with casque: engines/README.md.
DOCKER_PACKAGES := docker.io containerd runc iptables iproute2 procps docker-registry busybox-static xz-utils \
	musl-tools python3-grpcio
ENGINE_PACKAGES := $(DOCKER_PACKAGES) podman buildah conmon netavark aardvark-dns catatonit slirp4netns fuse-overlayfs \
	uidmap crun curl
# What of them `make test` runs: a good minute.
TESTED_ENGINES  := containerd cri docker docker-images

# libFuzzer is in C++.
FUZZ_PACKAGES := g++

IMAGE_PACKAGES := docker.io iproute2 podman xz-utils

# What the benchmark of images compares with and is made of.
BENCH_IMAGES_PACKAGES := mmdebstrap zstd libcap2-bin attr skopeo umoci podman gcc libc6-dev libdeflate-dev libssl-dev e2fsprogs

FIRST_LINE_PACKAGES := busybox-static docker.io podman runc e2fsprogs iproute2

# What the benchmark compares with.
BENCH_PACKAGES := busybox-static runc crun libseccomp-dev

# Test programs that run in the virtual machine: casque's, and stave's. Of `faults` only what needs it.
VM_TESTS := cgroup limits faults
STAVE_VM_TESTS := limits

export CASQUE_COMMIT := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

.PHONY: hardening order help demo test build setup setup-demo setup-test lint unit docs image-tests rig vm vm-tests systemd-tests bench-images first-line conformance conformance-vm fuzz deny engines tested-engines engines-vm oci-validation install install-test cross clean

help: ## Show this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: setup setup-demo build ## Build, make a layered archive, unpack it, run a container from it
	@[ "$$(id -u)" = 0 ] || { echo "make demo: containers need root here; try: sudo make demo" >&2; exit 1; }
	@demo/demo.sh "$(CURDIR)/$(CASQUE)" "$(CURDIR)/$(STAVE)"

test: setup setup-test lint build unit rig vm-tests systemd-tests conformance conformance-vm install-test tested-engines ## Everything that CI runs, from a clean clone

# One after the other: built together, casque would get all features of the crates that both use, and be a fifth larger.
build: setup ## Build both programs, static and optimized
	$(CARGO) build --release --locked -p casque
	$(CARGO) build --release --locked -p stave

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

# Signals that the caller ignores, as nohup(1) and shells in the background have it, would be ignored in containers, too.
unit:
	CASQUE_RELEASE="$(CURDIR)/$(CASQUE)" env --default-signal $(CARGO) test --locked --workspace

docs: ## Write the man pages and completions in docs/ anew
	BLESS=1 $(CARGO) test --locked -q -p casque --test docs
	BLESS=1 $(CARGO) test --locked -q -p stave --test docs

# What takes long or fetches much: real Docker, archives of 2013, an image of 490 MB, commands killed at 100 moments each.
image-tests: setup setup-test ## Run stave's tests with other tools, old archives and a large image
	@$(call packages,$(IMAGE_PACKAGES))
	CI=1 KILLS=100 $(CARGO) test --locked -p stave --test peers --test kill --test build -- --include-ignored

# The long forms of what `make test` runs shortly, with their counts, and what hostile archives, full disks and registries that lie
# do to stave; SECURITY.md. A quarter of an hour.
hardening: setup setup-test ## Play attacks, races, kills and load at length: KILLS=1000 RACES=200 SWAPS=1000 LOAD=500
	CI=1 KILLS=$(or $(KILLS),1000) RACES=$(or $(RACES),200) SWAPS=$(or $(SWAPS),1000) LOAD=$(or $(LOAD),500) \
		env --default-signal $(CARGO) test --locked -p casque --test security --test attacks_root --test attacks_program --test races \
		--test faults --test kills --test load -- --nocapture
	CI=1 KILLS=100 $(CARGO) test --locked -p stave --test hostile --test faults --test pull --test kill -- --nocapture

rig: ## Test the rig: a virtual machine with a pure cgroup v2 kernel
	rig/vm --setup
	rig/selftest.sh

# The tests of limits, where the kernel enforces them. CASQUE_RIG makes a controller that is missing a failure.
vm-tests: ## Run the tests that need cgroup v2 controllers, in the virtual machine
	@for test in $(addprefix casque/,$(VM_TESTS)) $(addprefix stave/,$(STAVE_VM_TESTS)); do \
		which=--include-ignored; [ $$test != casque/faults ] || which=--ignored; \
		program=$$($(CARGO) test --locked -p $${test%/*} --test $${test#*/} --no-run --message-format=json 2>/dev/null | \
			sed -n 's|.*"executable":"\([^"]*/'$${test#*/}'-[^"]*\)".*|\1|p' | tail -n 1); \
		echo "in the virtual machine: $$test"; \
		CASQUE_RIG=1 rig/vm --timeout 900 -- "$$program" $$which || exit 1; \
	done

# The systemd cgroup driver under a real systemd; a debug build, for it has steps fail.
systemd-tests: ## Run the tests of --systemd-cgroup, in a virtual machine with systemd
	@rig/vm --setup --systemd --kernel 6.1
	@program=$$($(CARGO) test --locked -p casque --test systemd --no-run --message-format=json 2>/dev/null | \
		sed -n 's|.*"executable":"\([^"]*/systemd-[^"]*\)".*|\1|p' | tail -n 1); \
	CI=1 rig/vm --systemd --timeout 900 -- "$$program" --include-ignored --test-threads 1

conformance: build ## Run our own conformance suite: RUNTIME=/path (casque by default)
	$(CARGO) build --release --locked -q -p conformance
	$(RELEASE)/conformance --runtime "$(or $(RUNTIME),$(CURDIR)/$(CASQUE))"

conformance-vm: build ## The same in the virtual machine, where all controllers are
	$(CARGO) build --release --locked -q -p conformance
	rig/vm --timeout 600 -- $(RELEASE)/conformance --runtime "$(or $(RUNTIME),$(CURDIR)/$(CASQUE))"

engines: build ## Run containers by real engines: RUNTIME=/path (casque by default), ENGINES='docker ...' (all)
	@$(call packages,$(ENGINE_PACKAGES))
	CI=true engines/run --runtime "$(or $(RUNTIME),$(CURDIR)/$(CASQUE))" $(ENGINES)

tested-engines: build
	@$(call packages,$(DOCKER_PACKAGES))
	CI=true engines/run --runtime "$(CURDIR)/$(CASQUE)" $(TESTED_ENGINES)

engines-vm: build ## Run Docker, containerd and Podman with limits, in a virtual machine with systemd
	@rig/vm --setup --engines --kernel 6.1 --memory 2G
	CI=true engines/run --runtime "$(or $(RUNTIME),$(CURDIR)/$(CASQUE))" vm/docker vm/podman

# The ordinary tests have a short form of it: fuzz/tests/corpus.rs.
fuzz: setup ## Try to break the parsers: FUZZ_SECONDS=600 for each target, FUZZ_JOBS=1, FUZZ='layer plan' (all)
	@$(call packages,$(FUZZ_PACKAGES))
	CARGO_TARGET_DIR="$(CURDIR)/target" fuzz/run $(FUZZ)

# Not part of `make test`: it takes minutes to build, and what it checks changes with Cargo.lock alone.
deny: ## Check licences, sources and known holes of all crates
	@cargo-deny --version >/dev/null 2>&1 || $(CARGO) install --locked --quiet cargo-deny
	cargo-deny --workspace --locked check licenses bans sources
	@if cargo-deny --workspace --locked fetch db >/dev/null 2>&1; then cargo-deny --locked check advisories; \
	else echo "deny: holes were not looked for: the advisories at https://github.com/RustSec/advisory-db cannot be reached" >&2; fi

oci-validation: build ## Run the public OCI validation suite: RUNTIME=/path (casque by default)
	conformance/oci/run --setup
	conformance/oci/run $(OCI_FLAGS) "$(or $(RUNTIME),$(CURDIR)/$(CASQUE))"

bench-images: build ## Measure stave against the floor and other tools: BENCH_FLAGS='--rounds 5'
	@$(call packages,$(BENCH_IMAGES_PACKAGES))
	STAVE="$(CURDIR)/$(STAVE)" CASQUE="$(CURDIR)/$(CASQUE)" bench/images/run $(BENCH_FLAGS)

first-line: build ## Measure how soon a container of an image says something: stave, casque, runc, Podman, Docker
	@$(call packages,$(FIRST_LINE_PACKAGES))
	STAVE="$(CURDIR)/$(STAVE)" CASQUE="$(CURDIR)/$(CASQUE)" bench/images/first-line $(BENCH_FLAGS)

.PHONY: bench bench-memory setup-bench
# Figures for docs/ come from a whole run alone.
bench: build setup-bench ## Measure casque, its peers and the floor: ROWS=run,create (all), BENCH_RUNTIMES=/path:/path (more)
	$(CARGO) build --release --locked -q -p bench
	env -u RUST_BACKTRACE $(RELEASE)/bench --casque "$(CURDIR)/$(CASQUE)" --sources "$(CURDIR)/bench" \
		--json target/bench.json $(if $(ROWS),"$(ROWS)",--plot docs/bench.svg)

bench-memory: build setup-bench ## Find the smallest memory limits, in the virtual machine
	$(CARGO) build --release --locked -q -p bench
	@rig/vm --setup
	rig/vm --timeout 1200 -- $(RELEASE)/bench memory --casque "$(CURDIR)/$(CASQUE)" --sources "$(CURDIR)/bench"

vm: export COMMAND = $(value CMD)
vm: ## Run CMD='...' in the virtual machine
	@rig/vm --setup
	@PATH="$(CURDIR)/$(RELEASE):$$PATH" rig/vm sh -c "$$COMMAND"

SHARE := $(DESTDIR)$(PREFIX)/share

install: build ## Install both programs below PREFIX, man pages and completions with them
	install -D -m 755 $(CASQUE) $(DESTDIR)$(PREFIX)/bin/casque
	install -D -m 755 $(STAVE) $(DESTDIR)$(PREFIX)/bin/stave
	install -D -m 644 -t $(SHARE)/man/man1 docs/man/*.1
	for name in casque stave; do \
		install -D -m 644 docs/completions/$$name.bash $(SHARE)/bash-completion/completions/$$name && \
		install -D -m 644 docs/completions/_$$name $(SHARE)/zsh/site-functions/_$$name && \
		install -D -m 644 docs/completions/$$name.fish $(SHARE)/fish/vendor_completions.d/$$name.fish || exit 1; \
	done

# The program has to be where the README tells the engines to look for it.
order: setup ## Find out anew how the linker is to order casque's functions
	CASQUE_SYMBOLS="$(CURDIR)/target/symbols/casque.map" $(CARGO) build --release --locked -p casque --target-dir target/symbols
	bench/order target/symbols/$(TARGET)/release/casque target/symbols/casque.map

install-test: build ## Install into an empty folder, and see what is there
	@to=$$(mktemp -d) && trap 'rm -rf "$$to"' EXIT && $(MAKE) -s -o build install DESTDIR="$$to" PREFIX=/usr/local && \
	"$$to/usr/local/bin/casque" --version && "$$to/usr/local/bin/stave" --version && \
	for path in $$(grep -o '"/usr/local/bin/[a-z]*"' README.md | tr -d '"' | sort -u) /usr/local/share/man/man1/casque-run.1 \
		/usr/local/share/bash-completion/completions/casque; do \
		[ -f "$$to$$path" ] || { echo "make install has made no $$path" >&2; exit 1; }; \
	done && [ "$$(find "$$to" -type f | wc -l)" = $$(($$(ls docs/man/*.1 docs/completions/* | wc -l) + 2)) ]

cross: ## Build both programs for aarch64
	@$(call packages,gcc-aarch64-linux-gnu)
	@$(call rust-target,aarch64-unknown-linux-musl)
	$(CARGO) build --release --locked --target aarch64-unknown-linux-musl -p casque
	$(CARGO) build --release --locked --target aarch64-unknown-linux-musl -p stave

clean:
	$(CARGO) clean

# $(call packages,NAMES): installs the Debian packages that are missing.
packages = missing=$$(for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || printf '%s ' $$p; done); \
	[ -z "$$missing" ] || { echo "installing $$missing"; \
	apt-get -qq -o DPkg::Lock::Timeout=500 update && \
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=500 install --no-install-recommends $$missing >/dev/null; }

# $(call rust-target,TRIPLE): installs Rust's standard library for a target if it is missing.
rust-target = [ -d "$$(rustc --print sysroot)/lib/rustlib/$(1)/lib" ] || rustup target add $(1)

setup:
	@command -v $(CARGO) >/dev/null || { echo "make: Rust is missing: https://rustup.rs" >&2; exit 1; }
	@$(call packages,$(BUILD_PACKAGES))
	@$(call rust-target,$(TARGET))

setup-demo:
	@$(call packages,$(DEMO_PACKAGES))

setup-bench:
	@$(call packages,$(BENCH_PACKAGES))

setup-test:
	@$(call packages,$(TEST_PACKAGES))
