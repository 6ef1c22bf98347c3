// SPDX-License-Identifier: GPL-2.0-only
/*
 * Carries FUSE messages through the control area of a connection.
 *
 * A message is carried by the task that wants its answer: it fills a slot,
 * calls, and on PENDING sleeps until the completion ring has the answer.
 * queue.c is FUSE's side of this.
 *
 * The server is not trusted: sizes that it returns are checked against what
 * was asked for, results are copied out of shared memory once, before FUSE
 * looks at them. File data in the pool is the exception, by design.
 */
#include <linux/highmem.h>
#include "client.h"

#define PAGES_PER_BOUNCE_ROUND	32
/* How often a request is sent again to servers that die of it. */
#define REPEATS_MAX		2

/* The data of a request: pages, or one argument too large to go inline. */
struct span {
	u32 flags;		/* SAWMILL_FILE_DATA_* or 0 */
	unsigned int size;
	unsigned int page_count;
	struct page **pages;	/* NULL: buffer */
	struct fuse_page_desc *descs;
	u8 *buffer;
	bool is_pool;		/* every page lies in the pool */
};

/* One call: a part of the span (all of it, but for long bounced I/O). */
struct round {
	unsigned int slot;
	unsigned int first_page;
	unsigned int page_count;
	unsigned int done;	/* data bytes before this round */
	unsigned int size;	/* data bytes of this round */
	unsigned int bounce_first;
	unsigned int bounce_count;
	bool is_lost;		/* its server died */
	struct sawmill_file_completion answer;
};

/* ---- the data of a request ---- */

static bool all_pages_in_pool(const struct sawmill_file_client *client,
			      const struct span *span)
{
	unsigned int i;

	for (i = 0; i < span->page_count; i++)
		if (!page_is_in_pool(client, span->pages[i]))
			return false;
	return true;
}

/* Pages that @size bytes of the request's page list take up. */
static unsigned int count_pages(const struct fuse_args_pages *ap,
				unsigned int size)
{
	unsigned int i;

	for (i = 0; i < ap->num_pages && size; i++)
		size -= min_t(unsigned int, size, ap->descs[i].length);
	return i;
}

static void add_sizes(const struct fuse_args *args, unsigned int *in_size,
		      unsigned int *out_size)
{
	unsigned int i;

	*in_size = sizeof(struct fuse_in_header);
	for (i = 0; i < args->in_numargs; i++)
		*in_size += args->in_args[i].size;
	*out_size = 0;
	for (i = 0; i < args->out_numargs; i++)
		*out_size += args->out_args[i].size;
}

/* Decides what of @args goes by reference. Returns 0 or -errno. */
static int describe_span(struct sawmill_file_client *client,
			 struct fuse_args *args, struct span *span,
			 unsigned int *in_size, unsigned int *out_size)
{
	struct fuse_args_pages *ap = container_of(args, typeof(*ap), args);

	span->flags = 0;
	span->size = 0;
	span->page_count = 0;
	span->pages = NULL;
	span->is_pool = false;
	if (args->in_pages || *in_size > SAWMILL_FILE_INLINE) {
		span->flags = SAWMILL_FILE_DATA_IN;
		span->size = args->in_args[args->in_numargs - 1].size;
		span->buffer = (u8 *)args->in_args[args->in_numargs - 1].value;
		*in_size -= span->size;
	}
	if (args->out_pages || *out_size > SAWMILL_FILE_INLINE) {
		if (span->flags)
			return -EINVAL;
		span->flags = SAWMILL_FILE_DATA_OUT;
		span->size = args->out_args[args->out_numargs - 1].size;
		span->buffer = args->out_args[args->out_numargs - 1].value;
		*out_size -= span->size;
	}
	if (args->in_pages || (span->flags && args->out_pages)) {
		span->page_count = count_pages(ap, span->size);
		span->pages = ap->pages;
		span->descs = ap->descs;
		span->is_pool = all_pages_in_pool(client, span);
	} else {
		span->page_count = DIV_ROUND_UP(span->size, PAGE_SIZE);
	}
	if (*in_size > SAWMILL_FILE_INLINE || *out_size > SAWMILL_FILE_INLINE ||
	    span->page_count > SAWMILL_FILE_PAGES_MAX)
		return -E2BIG;
	return 0;
}

static void copy_in(u8 *to, const struct sawmill_file_message *message,
		    unsigned int size)
{
	const struct fuse_args *args = message->args;
	u8 *end = to + size;
	unsigned int i;

	memcpy(to, &message->header, sizeof(message->header));
	to += sizeof(message->header);
	for (i = 0; i < args->in_numargs && to < end; i++) {
		memcpy(to, args->in_args[i].value, args->in_args[i].size);
		to += args->in_args[i].size;
	}
}

/* Moves bounced data of a round between its pages and the control area. */
static void copy_bounce(struct sawmill_file_client *client,
			const struct span *span, const struct round *round,
			unsigned int size)
{
	u8 *bounce = client->bounce + round->bounce_first * PAGE_SIZE;
	unsigned int i;

	if (!span->pages) {
		if (span->flags == SAWMILL_FILE_DATA_IN)
			memcpy(bounce, span->buffer, size);
		else
			memcpy(span->buffer, bounce, size);
		return;
	}
	for (i = 0; i < round->page_count && size; i++, bounce += PAGE_SIZE) {
		const struct fuse_page_desc *desc =
			&span->descs[round->first_page + i];
		struct page *page = span->pages[round->first_page + i];
		unsigned int length = min_t(unsigned int, size, desc->length);

		if (span->flags == SAWMILL_FILE_DATA_IN)
			memcpy_from_page(bounce, page, desc->offset, length);
		else
			memcpy_to_page(page, desc->offset, bounce, length);
		size -= length;
	}
}

static void write_segments(struct sawmill_file_client *client,
			   const struct span *span, const struct round *round)
{
	struct sawmill_file_segment *segment =
		client->shared_slots[round->slot].segments;
	unsigned int rest = round->size;
	unsigned int i;

	for (i = 0; i < round->page_count; i++, segment++) {
		const struct fuse_page_desc *desc = span->pages ?
			&span->descs[round->first_page + i] : NULL;
		unsigned int length = min_t(unsigned int, rest,
					    desc ? desc->length : PAGE_SIZE);

		if (span->is_pool) {
			struct page *page = span->pages[round->first_page + i];

			segment->page = page_to_pfn(page) -
					client->pool_first_pfn;
			segment->offset = desc->offset;
		} else {
			segment->page = SAWMILL_FILE_SEGMENT_CONTROL |
				(SAWMILL_FILE_BOUNCE_OFFSET / PAGE_SIZE +
				 round->bounce_first + i);
			segment->offset = 0;
		}
		segment->length = length;
		rest -= length;
	}
}

/* Long bounced I/O goes in rounds: makes the arguments say which part. */
static void patch_range(u8 *in, const struct round *round)
{
	struct fuse_in_header *header = (void *)in;
	void *args = in + sizeof(*header);

	if (header->opcode == FUSE_READ) {
		struct fuse_read_in *read = args;

		read->offset += round->done;
		read->size = round->size;
	} else {
		struct fuse_write_in *write = args;

		write->offset += round->done;
		write->size = round->size;
	}
}

static bool is_divisible(const struct sawmill_file_message *message)
{
	return message->header.opcode == FUSE_READ ||
	       message->header.opcode == FUSE_WRITE;
}

/* The same if done twice, and the same if done by two servers. */
static bool may_repeat(const struct sawmill_file_message *message)
{
	switch (message->header.opcode) {
	case FUSE_LOOKUP:
	case FUSE_GETATTR:
	case FUSE_SETATTR:
	case FUSE_READLINK:
	case FUSE_READ:
	case FUSE_WRITE:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
	case FUSE_STATFS:
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
	/* What was written before is taken care of in inode.c. */
	case FUSE_FSYNC:
	case FUSE_SYNCFS:
	case SAWMILL_FILE_LEASE:
		return true;
	default:
		return false;
	}
}

/* What the server may say: an error, or success within these sizes. */
static int check_answer(const struct sawmill_file_completion *answer,
			unsigned int out_size, unsigned int data_size)
{
	if (unlikely(answer->error))
		return answer->error > 0 || answer->error <= -ERESTARTSYS ?
		       -EIO : answer->error;
	return answer->out_size > out_size || answer->data_size > data_size ?
	       -EIO : 0;
}

/* Runs one round; the answer is in round->answer, its data in its place. */
static int run_round(struct sawmill_file_client *client,
		     const struct sawmill_file_message *message,
		     const struct span *span, struct round *round,
		     unsigned int in_size, unsigned int out_size)
{
	bool is_bounced = span->flags && !span->is_pool && round->size;
	u64 in[SAWMILL_CALL_WORDS] = {};
	u8 *shared_in;
	int error;

	round->is_lost = false;
	sawmill_file_send_forgets(client, message->queue);
	error = sawmill_file_get_slot(client, &round->slot);
	if (error)
		return error;
	if (is_bounced) {
		round->bounce_count = round->page_count;
		error = sawmill_file_get_bounce(client, round->bounce_count,
						&round->bounce_first);
		if (error) {
			round->is_lost = error == -EIO;
			goto out;
		}
		if (span->flags == SAWMILL_FILE_DATA_IN)
			copy_bounce(client, span, round, round->size);
	}
	shared_in = client->shared_slots[round->slot].in;
	copy_in(shared_in, message, in_size);
	if (round->size != span->size)
		patch_range(shared_in, round);
	if (span->flags)
		write_segments(client, span, round);
	in[0] = round->slot | (u64)span->flags << 32 |
		(u64)message->header.opcode << 48;
	in[1] = in_size | (u64)out_size << 32;
	in[2] = (span->flags ? round->page_count : 0) | (u64)round->size << 32;
	sawmill_file_take_forget(client, message->queue, in);
	round->is_lost = !sawmill_file_call(client, round->slot, in,
					    &round->answer);

	error = check_answer(&round->answer, out_size, round->size);
	if (!error && is_bounced && span->flags == SAWMILL_FILE_DATA_OUT)
		copy_bounce(client, span, round, round->answer.data_size);
	if (is_bounced)
		sawmill_file_put_bounce(client, round->bounce_first,
					round->bounce_count);
out:
	/* On success the caller still reads the inline results. */
	if (error)
		sawmill_file_put_slot(client, round->slot);
	return error;
}

/* Copies inline results out of shared memory, sets the last size. */
static int copy_out(struct sawmill_file_client *client, struct fuse_args *args,
		    unsigned int slot, unsigned int rest, bool has_data)
{
	const u8 *from = client->shared_slots[slot].out;
	unsigned int count = args->out_numargs - has_data;
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct fuse_arg *arg = &args->out_args[i];

		if (rest < arg->size) {
			if (!args->out_argvar || has_data || i != count - 1)
				return -EIO;
			arg->size = rest;
		}
		memcpy(arg->value, from, arg->size);
		from += arg->size;
		rest -= arg->size;
	}
	return rest ? -EIO : 0;
}

static void zero_rest(const struct span *span, unsigned int valid)
{
	unsigned int i;

	for (i = 0; i < span->page_count; i++) {
		const struct fuse_page_desc *desc = &span->descs[i];

		if (valid < desc->length)
			zero_user(span->pages[i], desc->offset + valid,
				  desc->length - valid);
		valid -= min(valid, desc->length);
	}
}

static void finish_data_out(struct fuse_args *args, const struct span *span,
			    unsigned int size)
{
	struct fuse_arg *last = &args->out_args[args->out_numargs - 1];

	if (args->page_zeroing && span->pages)
		zero_rest(span, size);
	last->size = size;
}

/* One try of a request that fits into its slot. */
static int try_inline(struct sawmill_file_client *client,
		      const struct sawmill_file_message *message,
		      unsigned int in_size, unsigned int out_size,
		      bool *is_lost)
{
	u64 in[SAWMILL_CALL_WORDS] = {};
	struct sawmill_file_completion answer;
	unsigned int slot;
	int error;

	sawmill_file_send_forgets(client, message->queue);
	error = sawmill_file_get_slot(client, &slot);
	if (error)
		return error;
	copy_in(client->shared_slots[slot].in, message, in_size);
	in[0] = slot | (u64)message->header.opcode << 48;
	in[1] = in_size | (u64)out_size << 32;
	sawmill_file_take_forget(client, message->queue, in);
	*is_lost = !sawmill_file_call(client, slot, in, &answer);
	error = check_answer(&answer, out_size, 0);
	if (!error)
		error = copy_out(client, message->args, slot, answer.out_size,
				 false);
	sawmill_file_put_slot(client, slot);
	return error;
}

static int carry_inline(struct sawmill_file_client *client,
			struct sawmill_file_message *message,
			unsigned int in_size, unsigned int out_size)
{
	unsigned int repeats = 0;
	bool is_lost;
	int error;

	message->header.len = in_size;
	do {
		is_lost = false;
		error = try_inline(client, message, in_size, out_size,
				   &is_lost);
	} while (unlikely(error && is_lost) && may_repeat(message) &&
		 repeats++ < REPEATS_MAX);
	return error;
}

int sawmill_file_carry(struct sawmill_file_client *client,
		       struct sawmill_file_message *message)
{
	struct fuse_args *args = message->args;
	unsigned int in_size, out_size;
	struct round round = {};
	struct span span;
	unsigned int repeats = 0, got;
	int error;

	add_sizes(args, &in_size, &out_size);
	if (!args->in_pages && !args->out_pages &&
	    in_size <= SAWMILL_FILE_INLINE && out_size <= SAWMILL_FILE_INLINE)
		return carry_inline(client, message, in_size, out_size);
	error = describe_span(client, args, &span, &in_size, &out_size);
	if (error)
		return error;
	message->header.len = in_size + (span.flags == SAWMILL_FILE_DATA_IN ?
					 span.size : 0);
	do {
		round.done += round.size;
		round.first_page += round.page_count;
		round.page_count = span.page_count - round.first_page;
		round.size = span.size - round.done;
		if (!span.is_pool && is_divisible(message) &&
		    round.page_count > PAGES_PER_BOUNCE_ROUND) {
			round.page_count = PAGES_PER_BOUNCE_ROUND;
			round.size = 0;
			for (got = 0; got < round.page_count; got++)
				round.size +=
				    span.descs[round.first_page + got].length;
		}
		do {
			error = run_round(client, message, &span, &round, in_size,
					  out_size);
		} while (error && round.is_lost && may_repeat(message) &&
			 repeats++ < REPEATS_MAX);
		if (error) {
			/* What earlier rounds did counts, as for write(2). */
			if (!round.done)
				return error;
			got = 0;
			break;
		}
		error = copy_out(client, args, round.slot, round.answer.out_size,
				 span.flags == SAWMILL_FILE_DATA_OUT);
		sawmill_file_put_slot(client, round.slot);
		if (error)
			return error;
		got = round.answer.data_size;
		if (message->header.opcode == FUSE_WRITE) {
			struct fuse_write_out *out = args->out_args[0].value;

			got = min(out->size, round.size);
			out->size = round.done + got;	/* padding: its last */
		}
	} while (got == round.size && round.done + got < span.size);

	if (message->header.opcode == FUSE_WRITE && !got)
		((struct fuse_write_out *)args->out_args[0].value)->size =
			round.done;
	if (span.flags == SAWMILL_FILE_DATA_OUT)
		finish_data_out(args, &span, round.done + got);
	return 0;
}
