// SPDX-License-Identifier: GPL-2.0-only
/*
 * The server loop: calls arrive, kernel threads handle them.
 *
 * Each CPU has workers bound to it. A worker with nothing else runnable on
 * its CPU waits inside portal_reply_wait with interrupts off, so that calls
 * that come back to back cost no context switch in here. If something else
 * is runnable, or no call came for a few ticks, it parks, and the idle loop
 * does the waiting: it puts the call into the CPU's slot and wakes a worker.
 *
 * An answer goes out with the wait for the next call, in one hypercall. If by
 * then nobody waits for it, the service is told so (->late). What an interrupt
 * during a wait leaves to be done goes with the next wait, too.
 *
 * A call that its worker cannot answer before it sleeps is answered PENDING
 * when the scheduler takes the worker off the CPU (a preempt notifier); the
 * service then completes it through the connection's control area.
 *
 * Per-CPU state is used by its own CPU only, with interrupts off: no lock.
 * The state of a call is atomic, because its answer may come from elsewhere.
 */
#include <linux/atomic.h>
#include <linux/context_tracking.h>
#include <linux/cpu.h>
#include <linux/device/driver.h>
#include <linux/init.h>
#include <linux/init_syscalls.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "ipc.h"

/* Workers per CPU: made at start, and made when all are busy. */
#define WORKERS_MIN 2
#define WORKERS_MAX 16
/* Waits of a worker that end without a call before it leaves it to idle. */
#define FRUITLESS_MAX 3

enum call_state {
	CALL_OWED,	/* the caller waits for this vCPU's reply */
	CALL_READY,	/* the worker has the reply and is to send it */
	CALL_SENT,	/* answered with its result */
	CALL_PENDING,	/* the caller was told to wait for a completion */
};

struct server_call {
	struct sawmill_call call;	/* what the service sees */
	struct worker *worker;
	atomic_t state;			/* enum call_state */
	atomic_t users;			/* its handler, and its reply to come */
};

struct worker {
	struct task_struct *task;
	struct preempt_notifier notifier;
	struct list_head parked;
	struct server_call *call;	/* current, or a spare one */
	struct sawmill_connection *held;	/* of the last call, or NULL */
	u64 reply[HV_WORDS];		/* while the call is READY, or late */
	bool is_late;			/* the reply reached nobody */
	unsigned int fruitless;
};

struct server_cpu {
	struct list_head parked;
	unsigned int worker_count;
	bool is_running;
	bool is_queued;		/* the hypervisor has a call for us */
	bool slot_full;		/* idle took a call: */
	bool slot_pending;	/* and answered it PENDING */
	u64 slot_badge;
	u64 slot_words[HV_WORDS];
	struct work_struct grow;
};

static DEFINE_PER_CPU(struct server_cpu, server_cpus);

static u64 send_reply(u64 status, const u64 words[HV_WORDS])
{
	u64 copy[HV_WORDS] = { };

	if (words)
		memcpy(copy, words, sizeof(copy));
	return hv_ipc(HV_PORTAL_REPLY, &status, copy);
}

static void call_put(struct server_call *call)
{
	if (atomic_dec_and_test(&call->users))
		kfree(call);
}

/*
 * Only the worker itself, on the vCPU that received the call, can answer in
 * the hypervisor. From anywhere else the answer is late by definition: the
 * worker says PENDING when it gets off the CPU.
 */
bool sawmill_server_reply(struct sawmill_call *sawmill_call,
			  const u64 words[SAWMILL_CALL_WORDS])
{
	struct server_call *call =
		container_of(sawmill_call, struct server_call, call);
	struct worker *worker = call->worker;
	bool is_answered = false;

	if (worker->task == current && worker->call == call) {
		bool is_deferred = sawmill_call->connection->service->late;

		preempt_disable();
		memcpy(worker->reply, words, sizeof(worker->reply));
		if (atomic_cmpxchg(&call->state, CALL_OWED,
				   is_deferred ? CALL_READY : CALL_SENT) ==
		    CALL_OWED)
			is_answered = is_deferred ||
				      send_reply(HV_STATUS_OK, words) ==
				      HV_STATUS_OK;
		preempt_enable();
	}
	call_put(call);
	return is_answered;
}

/* The worker leaves the CPU, or its handler is through without an answer. */
static void answer_pending(struct server_call *call)
{
	if (atomic_cmpxchg(&call->state, CALL_OWED, CALL_PENDING) == CALL_OWED)
		send_reply(HV_STATUS_PENDING, NULL);
}

/* Sends a reply that was put off; no preemption. */
static void flush_reply(struct worker *worker)
{
	if (atomic_cmpxchg(&worker->call->state, CALL_READY, CALL_SENT) ==
	    CALL_READY)
		worker->is_late = send_reply(HV_STATUS_OK, worker->reply) !=
				  HV_STATUS_OK;
}

static void worker_scheduled_out(struct preempt_notifier *notifier,
				 struct task_struct *next)
{
	struct worker *worker = container_of(notifier, struct worker, notifier);

	if (worker->call) {
		answer_pending(worker->call);
		flush_reply(worker);
	}
}

static void worker_scheduled_in(struct preempt_notifier *notifier, int cpu)
{
}

static struct preempt_ops worker_preempt_ops = {
	.sched_in = worker_scheduled_in,
	.sched_out = worker_scheduled_out,
};

/* Interrupts are off. Returns false if all workers are busy. */
static bool wake_worker(struct server_cpu *cpu)
{
	struct worker *worker;

	worker = list_first_entry_or_null(&cpu->parked, struct worker, parked);
	if (!worker)
		return false;
	list_del_init(&worker->parked);
	wake_up_process(worker->task);
	return true;
}

/* A connection is not taken away while a worker may use its last call. */
static void hold(struct worker *worker, struct sawmill_connection *connection)
{
	if (worker->held == connection)
		return;
	if (connection)
		atomic_inc(&connection->holders);
	if (worker->held)
		atomic_dec(&worker->held->holders);
	worker->held = connection;
}

/* Interrupts are off. */
static void load_call(struct worker *worker, u64 badge,
		      const u64 words[HV_WORDS], enum call_state state)
{
	struct server_call *call = worker->call;

	call->worker = worker;
	call->call.connection = sawmill_connection_by_badge(badge);
	hold(worker, call->call.connection);
	memcpy(call->call.in, words, sizeof(call->call.in));
	atomic_set(&call->users, 2);
	atomic_set(&call->state, state);
	worker->fruitless = 0;
}

/* Interrupts are off. Takes the call that idle has received. */
static void take_slot(struct server_cpu *cpu, struct worker *worker)
{
	cpu->slot_full = false;
	load_call(worker, cpu->slot_badge, cpu->slot_words,
		  cpu->slot_pending ? CALL_PENDING : CALL_OWED);
}

/*
 * Interrupts are off. Sends the reply if there is one, and waits in the
 * hypervisor; true if a call came.
 */
static bool wait_for_call(struct worker *worker)
{
	u64 words[HV_WORDS] = { };
	u64 badge = HV_REPLY_NONE;
	u64 status;

	if (atomic_cmpxchg(&worker->call->state, CALL_READY, CALL_SENT) ==
	    CALL_READY) {
		sawmill_leftovers_flush();
		memcpy(words, worker->reply, sizeof(words));
		badge = HV_STATUS_OK;
	} else {
		sawmill_leftovers_take(words);
	}
	sawmill_events_look();
	status = hv_ipc(HV_PORTAL_REPLY_WAIT, &badge, words);
	if (status == HV_STATUS_OK) {
		load_call(worker, badge, words, CALL_OWED);
		sawmill_events_take();
		return true;
	}
	if (status == HV_STATUS_STALE)
		worker->is_late = true;
	else
		worker->fruitless++;
	sawmill_events_take_before_wait();
	return false;
}

static bool may_wait(struct worker *worker)
{
	return worker->fruitless < FRUITLESS_MAX && single_task_running() &&
	       !need_resched() && !local_softirq_pending();
}

/* Returns with a call loaded. */
static void receive_call(struct worker *worker)
{
	struct server_cpu *cpu = this_cpu_ptr(&server_cpus);

	for (;;) {
		if (worker->is_late) {
			struct sawmill_call *call = &worker->call->call;

			worker->is_late = false;
			call->connection->service->late(call, worker->reply);
		}
		local_irq_disable();
		if (cpu->slot_full) {
			sawmill_leftovers_flush();
			flush_reply(worker);
			if (worker->is_late) {
				local_irq_enable();
				continue;
			}
			take_slot(cpu, worker);
			break;
		}
		if (cpu->is_queued || may_wait(worker)) {
			cpu->is_queued = false;
			if (wait_for_call(worker))
				break;
			local_irq_enable();
			cond_resched();
			continue;
		}
		sawmill_leftovers_flush();
		flush_reply(worker);
		if (worker->is_late) {
			local_irq_enable();
			continue;
		}
		hold(worker, NULL);
		/* Last parked, first woken: its caches are warm. */
		list_add(&worker->parked, &cpu->parked);
		__set_current_state(TASK_IDLE);
		local_irq_enable();
		schedule();
		local_irq_disable();
		/* Still there if something else woke us. */
		list_del_init(&worker->parked);
		local_irq_enable();
		worker->fruitless = 0;
	}
	local_irq_enable();
}

static void handle_call(struct worker *worker)
{
	struct server_call *call = worker->call;

	if (!call->call.connection || !sawmill_call_dispatch(&call->call)) {
		/* Root's calls to see whether we live end here, too. */
		u64 status = call->call.connection ? HV_STATUS_BUSY :
						     HV_STATUS_BAD_ARGUMENT;

		preempt_disable();
		if (atomic_cmpxchg(&call->state, CALL_OWED, CALL_SENT) ==
		    CALL_OWED)
			send_reply(status, NULL);
		preempt_enable();
		call_put(call);
	}
	answer_pending(call);
	/* Reused if its reply was given, else left to the one who gives it. */
	if (atomic_dec_and_test(&call->users))
		return;
	worker->call = NULL;
}

static void alloc_call(struct worker *worker)
{
	struct server_call *call;

	/* An empty call must not look as if its answer were owed. */
	call = kzalloc(sizeof(*call), GFP_KERNEL | __GFP_NOFAIL);
	atomic_set(&call->state, CALL_SENT);
	worker->call = call;
}

static int worker_main(void *data)
{
	struct worker *worker = data;
	struct server_cpu *cpu = this_cpu_ptr(&server_cpus);

	alloc_call(worker);
	preempt_notifier_init(&worker->notifier, &worker_preempt_ops);
	preempt_notifier_register(&worker->notifier);
	for (;;) {
		receive_call(worker);
		if (list_empty(&cpu->parked) && cpu->worker_count < WORKERS_MAX)
			schedule_work_on(smp_processor_id(), &cpu->grow);
		handle_call(worker);
		if (!worker->call)
			alloc_call(worker);
	}
	return 0;
}

static int create_worker(unsigned int number)
{
	struct server_cpu *cpu = per_cpu_ptr(&server_cpus, number);
	struct worker *worker;

	worker = kzalloc(sizeof(*worker), GFP_KERNEL);
	if (!worker)
		return -ENOMEM;
	INIT_LIST_HEAD(&worker->parked);
	worker->task = kthread_create_on_cpu(worker_main, worker, number,
					     "sawmill/%u");
	if (IS_ERR(worker->task)) {
		int error = PTR_ERR(worker->task);

		kfree(worker);
		return error;
	}
	cpu->worker_count++;
	/* It runs into receive_call() and parks there. */
	wake_up_process(worker->task);
	return 0;
}

static void grow_workers(struct work_struct *work)
{
	struct server_cpu *cpu = container_of(work, struct server_cpu, grow);

	if (cpu->worker_count < WORKERS_MAX)
		create_worker(raw_smp_processor_id());
}

/* The hypervisor has a call for this vCPU, but nobody waits. */
static void call_queued(void *data)
{
	struct server_cpu *cpu = this_cpu_ptr(&server_cpus);

	cpu->is_queued = true;
	wake_worker(cpu);
}

/* Interrupts are off, RCU does not watch: what waits when nothing runs. */
static void __cpuidle server_idle(void)
{
	struct server_cpu *cpu = this_cpu_ptr(&server_cpus);
	u64 words[HV_WORDS] = { };
	u64 badge = HV_REPLY_NONE;

	sawmill_events_look();
	if (!cpu->is_running || cpu->slot_full) {
		sawmill_leftovers_flush();
		hv_vcpu_wait();
		sawmill_events_take();
		raw_local_irq_enable();
		return;
	}
	sawmill_leftovers_take(words);
	if (hv_ipc(HV_PORTAL_REPLY_WAIT, &badge, words) == HV_STATUS_OK) {
		ct_irq_enter();
		cpu->slot_badge = badge;
		memcpy(cpu->slot_words, words, sizeof(words));
		cpu->slot_full = true;
		/* With all workers asleep the caller must not wait for one. */
		cpu->slot_pending = !wake_worker(cpu);
		if (cpu->slot_pending)
			send_reply(HV_STATUS_PENDING, NULL);
		ct_irq_exit();
		sawmill_events_take();
	} else {
		sawmill_events_take_before_wait();
	}
	raw_local_irq_enable();
}

static bool __init is_server(void)
{
	unsigned int i;

	if (!sawmill_info)
		return false;
	for (i = 0; i < sawmill_info->connection_count; i++)
		if (sawmill_info->connections[i].role ==
		    HV_CONNECTION_ROLE_SERVER)
			return true;
	return false;
}

static bool runs_server __ro_after_init;

/* A server has no init: this keeps Linux from looking for a root device. */
static int __init server_prepare(void)
{
	unsigned int number;

	runs_server = is_server();
	if (!runs_server)
		return 0;
	for_each_possible_cpu(number) {
		struct server_cpu *cpu = per_cpu_ptr(&server_cpus, number);

		INIT_LIST_HEAD(&cpu->parked);
		INIT_WORK(&cpu->grow, grow_workers);
	}
	sawmill_event_bind(HV_EVENT_PORTAL, call_queued, NULL);
	sawmill_set_idle(server_idle);
	return init_mkdir("/init", 0755);
}
late_initcall(server_prepare);

/*
 * Called by kernel_init() where it would start the first program. Does not
 * return in a server.
 */
void sawmill_run_server(void)
{
	unsigned int number, i;
	int error = 0;

	if (!runs_server)
		return;
	wait_for_device_probe();
	preempt_notifier_inc();
	sawmill_add_connections(SAWMILL_ROLE_SERVER);
	for_each_online_cpu(number) {
		for (i = 0; i < WORKERS_MIN && !error; i++)
			error = create_worker(number);
		per_cpu(server_cpus.is_running, number) = true;
	}
	if (error)
		panic("sawmill: no server threads: error %d", error);
	pr_info("sawmill: serving\n");
	sawmill_report_ready();
	for (;;) {
		set_current_state(TASK_IDLE);
		schedule();
	}
}
