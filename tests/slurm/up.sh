#!/usr/bin/env bash
# Starts a real Slurm of one node, as root, for tests/test_cluster.py: two daemons on loopback, without systemd, munge or
# a database. Debian: apt-get install --no-install-recommends slurm-wlm. Usage: up.sh FOLDER; prints the configuration.
set -euo pipefail
folder=$1
mkdir -p "$folder"/{state,spool,log}
cat > "$folder/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
AuthType=auth/none
CredType=cred/none
SlurmUser=root
SlurmdUser=root
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
KillWait=5
NodeName=localhost NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=2000 State=UNKNOWN
PartitionName=debug Nodes=localhost Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$folder/slurm.conf
slurmctld -f "$SLURM_CONF"
slurmd -f "$SLURM_CONF" -N localhost
for _ in $(seq 60); do
  if sinfo --noheader --format %t 2>/dev/null | grep -q idle; then echo "$SLURM_CONF"; exit; fi
  sleep 0.5
done
echo "the node is not idle after 30 s, see $folder/log" >&2
exit 1
