#!/usr/bin/env bash
# Makes a machine with an RTX 4090 and Ubuntu 22.04 or 24.04 fit to measure: driver, Nsight Compute,
# counters for every user, persistence mode, a fixed core clock. Run it again after each change.
# From the environment: DRIVER and NCU_PACKAGE (names of packages), SM_CLOCK_MHZ.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=.github/runner/common.sh
. "$here/common.sh"
begin "$@"
need_root

DRIVER=${DRIVER:-nvidia-driver-580-open}
NCU_PACKAGE=${NCU_PACKAGE:-nsight-compute-2025.3.1}
SM_CLOCK_MHZ=${SM_CLOCK_MHZ:-2235} # the card's base clock, which it holds under any load
COUNTERS=/etc/modprobe.d/gate-counters.conf
PARAMETERS=/proc/driver/nvidia/params

[[ "$SM_CLOCK_MHZ" =~ ^[1-9][0-9]{2,3}$ ]] || die "SM_CLOCK_MHZ must be a clock in MHz"
release=$(sed -n 's/^VERSION_ID="\(.*\)"$/\1/p' "$ROOT/etc/os-release")
grep -qx 'ID=ubuntu' "$ROOT/etc/os-release" || die "this is written for Ubuntu"
case $release in
  22.04) python=(python3.11 python3.11-venv python3.11-dev) ;; # its python3 is older than the gate's
  24.04) python=(python3 python3-venv python3-dev) ;;
  *) die "this is written for Ubuntu 22.04 and 24.04, not $release" ;;
esac

install_packages() {
  local wanted=("$DRIVER" nvidia-modprobe "$NCU_PACKAGE" git curl gcc "${python[@]}") missing=()
  local package
  for package in "${wanted[@]}"; do
    installed "$package" || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  run apt-get update
  run apt-get install --yes ca-certificates curl
  installed cuda-keyring || trust_nvidia # whose packages Nsight Compute is one of
  run apt-get install --yes "${missing[@]}"
  # A driver that changes under a running system stops every measurement until a reboot.
  run apt-mark hold "$DRIVER" "$NCU_PACKAGE"
  reboot=true
}

trust_nvidia() {
  local folder from=https://developer.download.nvidia.com/compute/cuda/repos
  folder=$(scratch)
  run curl --proto '=https' --fail --silent --show-error --location --output "$folder/keyring.deb" \
    "$from/ubuntu${release/./}/x86_64/cuda-keyring_1.1-1_all.deb"
  run dpkg --install "$folder/keyring.deb"
  run rm -rf "$folder"
  run apt-get update
}

open_counters() {
  put 0644 "$COUNTERS" <<< 'options nvidia NVreg_RestrictProfilingToAdminUsers=0'
  "$wrote" || return 0
  # The driver may be loaded from the initramfs. Where that fails, the next call tries again.
  run update-initramfs -u -k all || {
    rm -f "$ROOT$COUNTERS"
    die "the initramfs could not be rebuilt"
  }
}

fix_clock() {
  put 0644 /etc/systemd/system/gate-gpu.service \
    < <(sed "s/@SM_CLOCK_MHZ@/$SM_CLOCK_MHZ/g" "$here/gate-gpu.service")
  if "$wrote"; then
    run systemctl daemon-reload
    run systemctl enable gate-gpu.service
    # Before the reboot there may be no driver to talk to.
    if nvidia-smi -L > /dev/null 2>&1; then run systemctl restart gate-gpu.service; fi
  fi
}

reboot=false
install_packages
open_counters
fix_clock
grep -qs 'RmProfilingAdminOnly: 0' "$ROOT$PARAMETERS" || reboot=true
if "$reboot"; then
  echo "reboot now: the driver reads its settings as it is loaded; then: gate doctor"
else
  echo "this host is set up; gate doctor proves it"
fi
