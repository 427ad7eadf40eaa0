/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hv.h"

struct hvg_features hv_features;
static void *page;

void hv_init(void)
{
	if (!hvg_arch_detect(&hv_features))
		tap_bail_out("not a Hyper-V guest");
	if (!page)
		page = mem_pages(1);
	hvg_arch_set(HVP_MSR_GUEST_OS_ID, HV_OS_ID);
	hvg_arch_set(HVP_MSR_HYPERCALL, mem_gpa(page) | HVP_MSR_ENABLE);
}

void *hv_page(void)
{
	return page;
}

void hv_init_cpu(void *unused)
{
	struct cpu *cpu = cpu_this();

	(void)unused;
	cpu->vp_index = (uint32_t)hvg_arch_get(HVP_MSR_VP_INDEX);
	cpu->input = mem_pages(1);
}

uint64_t hv_call(uint64_t control, uint64_t input, uint64_t output)
{
	return hvg_arch_call(page, control, input, output);
}

uint16_t hv_post(uint32_t connection_id, uint32_t type, const void *payload, uint32_t len)
{
	struct hvp_post_message *input = cpu_this()->input;

	*input = (struct hvp_post_message){
		.connection_id = connection_id,
		.message_type = type,
		.payload_size = len,
	};
	hvw_memcpy(input->payload, payload,
		   len < sizeof(input->payload) ? len : sizeof(input->payload));
	return hv_status(hv_call(HVP_CALL_POST_MESSAGE, mem_gpa(input), 0));
}

uint16_t hv_signal(uint32_t connection_id, uint16_t flag)
{
	return hv_status(hv_call(HVP_CALL_SIGNAL_EVENT | HVP_CALL_FAST,
				 connection_id | (uint64_t)flag << 32, 0));
}

void hv_synic_on(void *unused)
{
	struct cpu *cpu = cpu_this();

	(void)unused;
	if (!cpu->messages) {
		cpu->messages = mem_pages(1);
		cpu->events = mem_pages(1);
	}
	hvg_arch_set(HVP_MSR_SIMP, mem_gpa(cpu->messages) | HVP_MSR_ENABLE);
	hvg_arch_set(HVP_MSR_SIEFP, mem_gpa(cpu->events) | HVP_MSR_ENABLE);
	hvg_arch_set(HVP_MSR_SINT0 + HVP_VMBUS_SINT, VECTOR_SINT);
	hvg_arch_set(HVP_MSR_SCONTROL, HVP_MSR_ENABLE);
}

void hv_synic_off(void *unused)
{
	(void)unused;
	hvg_arch_set(HVP_MSR_SINT0 + HVP_VMBUS_SINT, HVP_SINT_MASKED);
	hvg_arch_set(HVP_MSR_SCONTROL, 0);
	hvg_arch_set(HVP_MSR_SIEFP, 0);
	hvg_arch_set(HVP_MSR_SIMP, 0);
}

bool hv_synic_take(unsigned sint, struct hvp_synic_message *message)
{
	struct hvp_synic_message *slot = &cpu_this()->messages->slot[sint];
	uint32_t *type = (uint32_t *)(void *)slot;

	if (__atomic_load_n(type, __ATOMIC_ACQUIRE) == HVP_MESSAGE_NONE)
		return false;
	*message = *slot;
	__atomic_store_n(type, HVP_MESSAGE_NONE, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (*(volatile uint8_t *)&slot->flags & HVP_MESSAGE_FLAG_PENDING)
		hvg_arch_set(HVP_MSR_EOM, 0);
	return true;
}

bool hv_synic_event(unsigned sint, unsigned flag)
{
	uint32_t *word = (uint32_t *)(void *)cpu_this()->events +
			 sint * (HVP_EVENT_FLAG_COUNT / 32) + flag / 32;
	uint32_t bit = 1u << flag % 32;

	return __atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST) & bit;
}
