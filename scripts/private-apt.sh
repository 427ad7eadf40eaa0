# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=sh
#
# Sourced by scripts that need Debian packages from a suite other than the machine's own. Gives apt a
# configuration of its own (sources, lists, cache), so that /etc/apt and /var/lib/apt stay as they are.
# The packages come from the mirror that the machine's apt uses already, and are accepted only with a
# signature by a key of Debian's archive keyring.

PRIVATE_APT_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# Prints the URI of the Debian mirror that apt is configured to use; fails when there is none.
# Indexes that were never downloaded carry no origin: then the release's name has to do.
private_apt_mirror() {
	. /etc/os-release
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format \
	    '$(CREATED_BY) $(COMPONENT) $(ORIGIN)/$(LABEL) $(RELEASE) $(REPO_URI)' 2>/dev/null |
	awk -v codename="${VERSION_CODENAME:-none}" '
		$1 != "Packages" || $2 != "main" { next }
		$3 == "Debian/Debian" && !known { known = $5 }
		($4 == codename || $4 == "stable" || $4 == "unstable" || $4 == "sid") && !guess { guess = $5 }
		END { uri = known ? known : guess; if (uri == "") exit 1; print uri }'
}

# private_apt_init DIR ARCH SUITE...: makes the configuration in DIR and exports APT_CONFIG, so that every
# later apt command of this process works on those suites of the mirror only.
private_apt_init() {
	private_apt_dir=$1
	private_apt_arch=$2
	shift 2

	[ -r "$PRIVATE_APT_KEYRING" ] || {
		echo "$PRIVATE_APT_KEYRING is missing: install the package debian-archive-keyring" >&2
		return 1
	}
	private_apt_uri=$(private_apt_mirror) || {
		echo "apt on this machine is not configured for a Debian mirror" >&2
		return 1
	}
	mkdir -p "$private_apt_dir/lists/partial" "$private_apt_dir/archives/partial" \
	    "$private_apt_dir/parts" || return 1
	for private_apt_suite; do
		echo "deb [arch=$private_apt_arch signed-by=$PRIVATE_APT_KEYRING]" \
		    "$private_apt_uri $private_apt_suite main"
	done > "$private_apt_dir/sources.list"

	# Valid-Until is not checked: a mirror that stands still is good enough for a kernel to boot,
	# and the signatures are checked all the same. The sandbox user cannot enter a home directory.
	# Hooks of the machine's own apt (caches of desktop programs, …) are none of ours.
	cat > "$private_apt_dir/apt.conf" <<-END
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		Dir::Etc::sourcelist "$private_apt_dir/sources.list";
		Dir::Etc::sourceparts "$private_apt_dir/parts";
		Dir::State::lists "$private_apt_dir/lists";
		Dir::Cache "$private_apt_dir";
		APT::Architecture "$private_apt_arch";
		APT::Architectures { "$private_apt_arch"; };
		APT::Sandbox::User "root";
		Acquire::Check-Valid-Until "false";
		Acquire::Languages "none";
		Acquire::Retries "3";
	END
	export APT_CONFIG="$private_apt_dir/apt.conf"
}
