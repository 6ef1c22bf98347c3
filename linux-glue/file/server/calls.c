// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receives calls, validates them, has them run, answers.
 *
 * Of the shared slot, the header, the arguments and the segment list are
 * copied once, before anything in them is looked at; their sizes come in the
 * words of the call, which do not change. Results are built in own memory and
 * copied to the slot at the end.
 *
 * Lock: client->ring_lock (spinlock, innermost): the completion ring's head.
 */
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include "server.h"

/* Small requests live in one object: no other allocation on their way. */
#define INLINE_SEGMENTS	8

struct handling {
	struct request request;
	struct sawmill_call *call;
	unsigned int args_size;
	u8 in[SAWMILL_FILE_INLINE + 1];	/* and a NUL */
	u8 out[SAWMILL_FILE_INLINE];
	struct bio_vec bvecs[INLINE_SEGMENTS];
};

static struct kmem_cache *handling_cache;

/* One to spare on each CPU: a worker that does not sleep finds it there. */
static DEFINE_PER_CPU(struct handling *, spare_handling);

static struct handling *get_handling(void)
{
	return this_cpu_xchg(spare_handling, NULL) ?:
	       kmem_cache_alloc(handling_cache, GFP_KERNEL);
}

static void put_handling(struct handling *handling)
{
	handling = this_cpu_xchg(spare_handling, handling);
	if (handling)
		kmem_cache_free(handling_cache, handling);
}

/* ---- arguments and results ---- */

const void *take_arg(struct request *request, unsigned int size)
{
	const void *arg = request->args;

	if (request->args_size < size)
		return NULL;
	request->args += size;
	request->args_size -= size;
	return arg;
}

/* A file name: terminated, one component, neither "." nor ".."; or ERR_PTR. */
const char *take_name(struct request *request)
{
	const char *name = request->args;
	unsigned int length;

	for (length = 0; length < request->args_size && name[length]; length++)
		if (name[length] == '/')
			return ERR_PTR(-EINVAL);
	if (length == request->args_size || !length || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		return ERR_PTR(-EINVAL);
	if (length > NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	return take_arg(request, length + 1);
}

void *put_result(struct request *request, unsigned int size)
{
	void *result = request->out + request->out_size;

	if (request->out_capacity - request->out_size < size)
		return NULL;
	request->out_size += size;
	return result;
}

void data_iter(const struct request *request, struct iov_iter *iter,
	       unsigned int direction, unsigned int size)
{
	if (request->is_pool)
		iov_iter_bvec(iter, direction, request->bvecs,
			      request->segment_count, size);
	else
		iov_iter_kvec(iter, direction, request->kvecs,
			      request->segment_count, size);
}

/* ---- from the slot and back ---- */

static int take_pool_segments(struct handling *handling,
			      const struct sawmill_file_slot *slot)
{
	struct request *request = &handling->request;
	struct server_client *client = request->client;
	unsigned int total = 0, i;

	request->bvecs = handling->bvecs;
	if (request->segment_count > INLINE_SEGMENTS)
		request->bvecs = kmalloc_array(request->segment_count,
					       sizeof(*request->bvecs),
					       GFP_KERNEL);
	if (!request->bvecs)
		return -ENOMEM;
	for (i = 0; i < request->segment_count; i++) {
		struct sawmill_file_segment segment =
			READ_ONCE(slot->segments[i]);

		if (segment.page >= client->pool_page_count ||
		    !segment.length ||
		    segment.offset + segment.length > PAGE_SIZE)
			return -EFAULT;
		request->bvecs[i].bv_page = client->pool + segment.page;
		request->bvecs[i].bv_offset = segment.offset;
		request->bvecs[i].bv_len = segment.length;
		total += segment.length;
	}
	return total == request->data_capacity ? 0 : -EINVAL;
}

static int take_control_segments(struct handling *handling,
				 const struct sawmill_file_slot *slot)
{
	struct request *request = &handling->request;
	struct server_client *client = request->client;
	unsigned int total = 0, i;

	request->kvecs = kmalloc_array(request->segment_count,
				       sizeof(*request->kvecs), GFP_KERNEL);
	if (!request->kvecs)
		return -ENOMEM;
	for (i = 0; i < request->segment_count; i++) {
		struct sawmill_file_segment segment =
			READ_ONCE(slot->segments[i]);
		u32 page = segment.page & ~SAWMILL_FILE_SEGMENT_CONTROL;

		if (!(segment.page & SAWMILL_FILE_SEGMENT_CONTROL) ||
		    page < SAWMILL_FILE_BOUNCE_OFFSET / PAGE_SIZE ||
		    page >= client->control_pages || !segment.length ||
		    segment.offset + segment.length > PAGE_SIZE)
			return -EFAULT;
		request->kvecs[i].iov_base = client->control +
			page * PAGE_SIZE + segment.offset;
		request->kvecs[i].iov_len = segment.length;
		total += segment.length;
	}
	return total == request->data_capacity ? 0 : -EINVAL;
}

static int take_request(struct handling *handling, const u64 words[],
			const struct sawmill_file_slot *slot)
{
	struct request *request = &handling->request;
	unsigned int in_size = (u32)words[1];
	u32 first_page;

	request->data_flags = (u16)(words[0] >> 32);
	request->out_capacity = words[1] >> 32;
	request->segment_count = (u32)words[2];
	request->data_capacity = words[2] >> 32;
	if (in_size < sizeof(request->header) ||
	    in_size > SAWMILL_FILE_INLINE ||
	    request->out_capacity > SAWMILL_FILE_INLINE ||
	    request->segment_count > SAWMILL_FILE_PAGES_MAX ||
	    request->data_capacity > WRITE_MAX)
		return -EINVAL;
	memcpy(handling->in, slot->in, in_size);
	handling->in[in_size] = 0;
	memcpy(&request->header, handling->in, sizeof(request->header));
	handling->args_size = in_size - sizeof(request->header);
	request->out = handling->out;
	if (!request->segment_count)
		return request->data_capacity ? -EINVAL : 0;
	if (request->data_flags != SAWMILL_FILE_DATA_IN &&
	    request->data_flags != SAWMILL_FILE_DATA_OUT)
		return -EINVAL;
	first_page = READ_ONCE(slot->segments[0].page);
	request->is_pool = !(first_page & SAWMILL_FILE_SEGMENT_CONTROL);
	return request->is_pool ? take_pool_segments(handling, slot) :
				  take_control_segments(handling, slot);
}

static void write_completion(struct server_client *client, u32 slot,
			     const u64 words[])
{
	struct sawmill_file_header *header = client->header;
	struct sawmill_file_completion completion = {
		.slot = slot,
		.error = (s32)words[0],
		.out_size = (u32)words[1],
		.data_size = (u32)words[2],
	};
	u32 head;

	spin_lock(&client->ring_lock);
	head = client->ring_head++;
	header->ring[head % SAWMILL_FILE_RING] = completion;
	smp_store_release(&header->head, head + 1);
	spin_unlock(&client->ring_lock);
	/* The client sets wants_event, then reads head. */
	smp_mb();
	if (READ_ONCE(header->wants_event))
		sawmill_connection_signal(client->connection);
}

/* The call of a request that was parked ends with its reply: not used after. */
static void answer(struct sawmill_call *call, const u64 words[])
{
	struct server_client *client = call->connection->user;
	u32 slot = call->in[0];

	if (!sawmill_call_reply(call, words))
		write_completion(client, slot, words);
}

static void finish(struct handling *handling, int error)
{
	struct request *request = &handling->request;
	struct server_client *client = request->client;
	struct sawmill_call *call = handling->call;
	u64 words[SAWMILL_CALL_WORDS] = { (u32)error };

	if (!error) {
		memcpy(client->slots[(u32)call->in[0]].out,
		       request->out, request->out_size);
		words[1] = request->out_size;
		words[2] = request->data_size;
	}
	if (request->bvecs != handling->bvecs)
		kfree(request->bvecs);
	kfree(request->kvecs);
	put_handling(handling);
	space_publish(client);
	answer(call, words);
}

/* From the beginning; whoever gets -EINPROGRESS has lost the handling. */
static int begin(struct handling *handling)
{
	struct request *request = &handling->request;

	request->args = handling->in + sizeof(request->header);
	request->args_size = handling->args_size;
	request->out_size = 0;
	request->data_size = 0;
	memset(request->out, 0, request->out_capacity);
	return request_run(request);
}

void request_run_again(struct work_struct *work)
{
	struct handling *handling =
		container_of(work, struct handling, request.again);
	struct server_client *client = handling->request.client;
	int error = begin(handling);

	if (error != -EINPROGRESS)
		finish(handling, error);
	lease_parked_done(client);
}

void request_handle(struct sawmill_call *call)
{
	u64 words[SAWMILL_CALL_WORDS] = { (u32)-EINVAL };
	struct server_client *client = call->connection->user;
	u32 index = (u32)call->in[0];
	struct handling *handling;
	int error;

	if (call->in[SAWMILL_FILE_FORGET_WORD])
		node_forget(client, call->in[SAWMILL_FILE_FORGET_WORD],
			    call->in[SAWMILL_FILE_FORGET_WORD + 1]);
	if (index >= SAWMILL_FILE_SLOTS) {
		answer(call, words);
		return;
	}
	handling = get_handling();
	if (!handling) {
		words[0] = (u32)-ENOMEM;
		answer(call, words);
		return;
	}
	memset(&handling->request, 0, sizeof(handling->request));
	handling->call = call;
	handling->request.client = client;
	error = take_request(handling, call->in, &client->slots[index]);
	if (!error)
		error = begin(handling);
	if (error != -EINPROGRESS)
		finish(handling, error);
}

void request_late(struct sawmill_call *call,
		  const u64 words[SAWMILL_CALL_WORDS])
{
	write_completion(call->connection->user, (u32)call->in[0], words);
}

static int __init calls_init(void)
{
	BUILD_BUG_ON(sizeof(struct sawmill_file_slot) !=
		     SAWMILL_FILE_SLOT_SIZE);
	handling_cache = KMEM_CACHE(handling, SLAB_HWCACHE_ALIGN | SLAB_PANIC);
	return 0;
}
subsys_initcall(calls_init);
