# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Draws what bench/time wrote into its folder, from there: gnuplot -e "seconds=300; paused=600" bench/time.gnuplot

set terminal svg size 900,800 font "sans,12" noenhanced
set output "time.svg"
set multiplot layout (paused ? 3 : 2),1
set key outside right
set grid
set ylabel "guest ahead of host, ms"
set xlabel "seconds since the driver set the clock"
set xrange [0:seconds]
ours = "#1b6ca8"
stock = "#c8553d"

set title "Without chrony"
plot "ours/offsets" using 1:($2 / 1000) every 8 with lines linecolor rgb ours title "hvis", \
     "stock/offsets" using 1:($2 / 1000) every 8 with lines linecolor rgb stock title "Linux 6.1"
set title "With chrony"
plot "ours-chrony/offsets" using 1:($2 / 1000) every 8 with lines linecolor rgb ours title "hvis", \
     "stock-chrony/offsets" using 1:($2 / 1000) every 8 with lines linecolor rgb stock title "Linux 6.1"

if (paused) {
# Until the clock is set it is behind by the whole pause, which would hide all else.
shown(offset) = abs(offset) < 10000 ? offset / 1000 : NaN
set title sprintf("After a pause of %d s", paused)
set xlabel "seconds since the guest was told the time again"
set autoscale x
plot "ours/after" using 1:(shown($2)) with lines linecolor rgb ours title "hvis", \
     "stock/after" using 1:(shown($2)) with lines linecolor rgb stock title "Linux 6.1", \
     "ours-chrony/after" using 1:(shown($2)) with lines linecolor rgb ours dashtype 2 title "hvis, chrony", \
     "stock-chrony/after" using 1:(shown($2)) with lines linecolor rgb stock dashtype 2 title "Linux 6.1, chrony"
}
unset multiplot
