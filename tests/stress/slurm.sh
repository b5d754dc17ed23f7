#!/usr/bin/env bash
# slurm.sh COMMAND ...: start a real SLURM of one node, run a command that submits to it, and end it again.
#
#     apt-get install slurm-wlm munge
#     bash tests/stress/slurm.sh make replicate CLUSTER=slurm
#
# munged, slurmctld and slurmd keep their files in a temporary folder and listen on the loopback address alone; the folder
# and /etc/slurm/slurm.conf are removed at the end. There is no accounting (slurmdbd), so `sacct` has nothing to tell. Run it as root in a container
# or on a machine of your own: slurmd starts the jobs. KEEP=yes keeps the folder, with the daemons' logs.
set -euo pipefail
for tool in munged slurmctld slurmd sbatch; do
    command -v "$tool" >/dev/null || { echo "No $tool: install slurm-wlm and munge." >&2; exit 1; }
done
conf=/etc/slurm/slurm.conf # not SLURM_CONF: the job step of Snakemake's plugin hides it from srun
[ ! -e "$conf" ] || { echo "$conf exists: this computer has a SLURM of its own." >&2; exit 1; }
folder=$(mktemp -d)
host=$(hostname -s)
mkdir -m 755 "$folder"/{munge,state,spool}
chmod 755 "$folder"
stop() {
    for file in slurmd slurmctld munge/munged; do
        [ ! -s "$folder/$file.pid" ] || kill "$(cat "$folder/$file.pid")" 2>/dev/null || true
    done
    for _ in $(seq 50); do
        ls "$folder"/*.pid >/dev/null 2>&1 || break
        sleep 0.1
    done
    rm -f "$conf"
    [ "${KEEP:-}" = yes ] && echo "SLURM's files: $folder" >&2 || rm -rf "$folder"
}
trap stop EXIT

head -c 1024 /dev/urandom >"$folder/munge/key"
chmod 400 "$folder/munge/key"
munged --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge/munged.pid" \
    --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
mkdir -p "${conf%/*}"
cat >"$conf" <<CONF
ClusterName=stress
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmctldPort=${SLURM_PORT:-26817}
SlurmdPort=$((${SLURM_PORT:-26817} + 1))
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
JobRequeue=1
KillWait=10
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(awk '/MemTotal/ { print int($2 / 1100) }' /proc/meminfo)
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
slurmctld
slurmd
for _ in $(seq 60); do
    [ "$(sinfo --noheader --format=%t 2>/dev/null)" != idle ] || break
    sleep 0.5
done
[ "$(sinfo --noheader --format=%t)" = idle ] || { cat "$folder"/*.log >&2; exit 1; }
"$@"
