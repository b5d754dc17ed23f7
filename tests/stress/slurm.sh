#!/usr/bin/env bash
# slurm.sh COMMAND ...: start a real SLURM of one node, run a command that submits to it, and end it again.
#
#     apt-get install slurm-wlm munge
#     bash tests/stress/slurm.sh make replicate CLUSTER=slurm
#
# munged, slurmctld and slurmd keep their files in a temporary folder and listen on the loopback address alone; the folder
# and the files in /etc/slurm are removed at the end. Without accounting `sacct` has nothing to tell; ACCOUNTING=yes starts
# slurmdbd too (packages slurmdbd and mariadb-server). Run it as root in a container or on a machine of your own: slurmd
# starts the jobs. KEEP=yes keeps the folder, with the daemons' logs.
set -euo pipefail
accounting=${ACCOUNTING:-}
for tool in munged slurmctld slurmd sbatch ${accounting:+slurmdbd mariadbd mariadb-install-db}; do
    command -v "$tool" >/dev/null || { echo "No $tool: install slurm-wlm and munge${accounting:+, slurmdbd and mariadb-server}." >&2; exit 1; }
done
etc=/etc/slurm # not SLURM_CONF: the job step of Snakemake's plugin hides it from srun
for file in slurm.conf slurmdbd.conf; do
    [ ! -e "$etc/$file" ] || { echo "$etc/$file exists: this computer has a SLURM of its own." >&2; exit 1; }
done
folder=$(mktemp -d)
host=$(hostname -s)
port=${SLURM_PORT:-26817}
mkdir -m 755 "$folder"/{munge,state,spool}
chmod 755 "$folder"
stop() {
    for name in slurmd slurmctld slurmdbd mariadbd munge/munged; do
        file=$folder/$name.pid
        [ -s "$file" ] || continue
        kill "$(cat "$file")" 2>/dev/null || true
        for _ in $(seq 100); do # in this order, each before the next: slurmdbd writes into the database as it ends
            [ -e "$file" ] || break
            sleep 0.1
        done
    done
    rm -f "$etc/slurm.conf" "$etc/slurmdbd.conf"
    [ "${KEEP:-}" = yes ] && echo "SLURM's files: $folder" >&2 || rm -rf "$folder"
}
trap stop EXIT
# until COMMAND ...: wait half a minute for a command to succeed, or end with the daemons' logs
until_it_works() {
    for _ in $(seq 60); do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.5
    done
    cat "$folder"/*.log >&2
    exit 1
}

head -c 1024 /dev/urandom >"$folder/munge/key"
chmod 400 "$folder/munge/key"
munged --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge/munged.pid" \
    --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
mkdir -p "$etc"

if [ -n "$accounting" ]; then
    database=(--no-defaults --user="$(id -un)" --datadir="$folder/database")
    mariadb-install-db "${database[@]}" --auth-root-authentication-method=normal >"$folder/mariadb-install.log" 2>&1
    printf '%s\n' "CREATE USER slurm@localhost IDENTIFIED BY 'loopback';" "GRANT ALL ON slurm.* TO slurm@localhost;" \
        >"$folder/users.sql" # a statement a line
    mariadbd "${database[@]}" --init-file="$folder/users.sql" --bind-address=127.0.0.1 --port=$((port + 3)) \
        --socket="$folder/database.socket" --pid-file="$folder/mariadbd.pid" >"$folder/mariadbd.log" 2>&1 &
    until_it_works mariadb --no-defaults --host=127.0.0.1 --port=$((port + 3)) --user=slurm --password=loopback --execute=""
    (umask 077 && cat >"$etc/slurmdbd.conf") <<CONF
DbdHost=$host
DbdAddr=127.0.0.1
DbdPort=$((port + 2))
SlurmUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$((port + 3))
StorageUser=slurm
StoragePass=loopback
StorageLoc=slurm
CommunicationParameters=NoInAddrAny
PidFile=$folder/slurmdbd.pid
LogFile=$folder/slurmdbd.log
CONF
    slurmdbd
fi

cat >"$etc/slurm.conf" <<CONF
ClusterName=stress
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
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
${accounting:+AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((port + 2))
AccountingStoragePass=$folder/munge/socket
JobAcctGatherType=jobacct_gather/linux}
CONF
if [ -n "$accounting" ]; then
    until_it_works sacctmgr --immediate add cluster stress
    sacctmgr --immediate add account tests cluster=stress >/dev/null
    sacctmgr --immediate add user "$(id -un)" account=tests >/dev/null
fi
slurmctld
slurmd
until_it_works sh -c '[ "$(sinfo --noheader --format=%t)" = idle ]'
"$@"
