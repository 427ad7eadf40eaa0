#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The hook that applies IP settings, with programs that only write down how they were called.

set -u
. "$(dirname "$0")/cli.sh"

hook=$PWD/daemons/hv_set_ifconfig
mkdir -p "$work/bin" "$work/etc/NetworkManager/system-connections"
HVIS_ETC=$work/etc
export HVIS_ETC
for program in systemctl nmcli networkctl ifup ifdown ip udhcpc dhclient; do
	cat > "$work/bin/$program" << END
#!/bin/sh
[ $program != systemctl ] || { [ "\$3" = "\$(cat "$work/active")" ]; exit; }
echo "$program \$*" >> "$work/called"
END
	chmod +x "$work/bin/$program"
done
PATH=$work/bin:$PATH

cat > "$work/ifcfg-eth0" << END
HWADDR=00:15:5D:00:00:01
DEVICE=eth0
BOOTPROTO=none
IPADDR0=10.0.0.2
NETMASK0=255.255.255.0
IPADDR1=10.1.0.2
NETMASK1=255.128.0.0
IPV6ADDR=2001:0db8:0000:0000:0000:0000:0000:0002
IPV6NETMASK=64
GATEWAY=10.0.0.1
IPV6_DEFAULTGW=fe80:0000:0000:0000:0000:0000:0000:0001
DNS1=10.0.0.3
END
sed '/ADDR[0-9]/d; /MASK/d; /GATEWAY/d; /IPV6/d; s/none/dhcp/' "$work/ifcfg-eth0" > "$work/dhcp"
echo '[connection]' > "$work/eth0.nmconnection"

# apply WHO IFCFG [NMCONNECTION]: with that one active
apply() {
	echo "$1" > "$work/active"
	: > "$work/called"
	shift
	run "$hook" "$@"
}

# said TITLE FILE LINE...: each line is in the file
said() {
	title=$1 file=$2 good=0
	shift 2
	for line in "$@"; do
		grep -qxF -e "$line" "$file" || good=1
	done
	result "$good" "$title"
}

apply NetworkManager "$work/ifcfg-eth0" "$work/eth0.nmconnection"
cmp -s "$work/eth0.nmconnection" "$work/etc/NetworkManager/system-connections/eth0.nmconnection"
result $? "NetworkManager gets the connection"
said "and is told so" "$work/called" "nmcli connection up filename $work/etc/NetworkManager/system-connections/eth0.nmconnection"
[ "$(stat -c %a "$work/etc/NetworkManager/system-connections/eth0.nmconnection")" = 600 ]
result $? "which nobody else may read"

apply systemd-networkd "$work/ifcfg-eth0" "$work/eth0.nmconnection"
said "systemd-networkd gets a file" "$work/etc/systemd/network/05-hvis-eth0.network" 'Name=eth0' 'Address=10.0.0.2/24' \
    'Address=10.1.0.2/9' 'Address=2001:0db8:0000:0000:0000:0000:0000:0002/64' 'Gateway=10.0.0.1' \
    'Gateway=fe80:0000:0000:0000:0000:0000:0000:0001' 'DNS=10.0.0.3'
said "and is told so" "$work/called" 'networkctl reload' 'networkctl reconfigure eth0'
apply systemd-networkd "$work/dhcp"
said "DHCP" "$work/etc/systemd/network/05-hvis-eth0.network" 'DHCP=ipv4'

mkdir "$work/etc/network"
: > "$work/etc/network/interfaces"
apply none "$work/ifcfg-eth0"
said "ifupdown gets a file" "$work/etc/network/interfaces.d/hvis-eth0" 'auto eth0' 'iface eth0 inet static' \
    '	address 10.0.0.2/24' '	up ip route replace default via 10.0.0.1 dev eth0' '	dns-nameservers 10.0.0.3 '
said "and is told so" "$work/called" 'ifdown --force eth0' 'ifup eth0'
rm -r "$work/etc/network"

apply none "$work/ifcfg-eth0"
said "where nobody has the network" "$work/called" 'ip addr add 10.0.0.2/24 dev eth0' 'ip addr add 10.1.0.2/9 dev eth0' \
    'ip route replace default via 10.0.0.1 dev eth0'
said "and the servers" "$work/etc/resolv.conf" 'nameserver 10.0.0.3'
apply none "$work/dhcp"
said "a server is asked there" "$work/called" 'udhcpc -i eth0 -n -q'

sed -i /DEVICE/d "$work/dhcp"
apply none "$work/dhcp"
[ "$cli_status" -ne 0 ]
result $? "without an interface it fails"

finish
