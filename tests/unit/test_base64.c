/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Bytes as base64 and back.
 */
#include "vmm/base64.h"

#include <string.h>

#include "tap.h"

TAP_TEST(known_texts)
{
	/* RFC 4648, section 10. */
	static const char *const texts[] = { "",	 "Zg==",     "Zm8=",	"Zm9v",
					     "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" };
	uint8_t bytes[8];
	char text[16];

	for (size_t len = 0; len < 7; len++) {
		vmm_base64_encode(text, (const uint8_t *)"foobar", len);
		TAP_STR_EQ(text, texts[len]);
		TAP_EQ(strlen(text), VMM_BASE64_LEN(len));
		TAP_EQ(vmm_base64_decode(bytes, len, texts[len]), len);
		TAP_MEM_EQ(bytes, "foobar", len);
	}
}

TAP_TEST(every_byte)
{
	char text[VMM_BASE64_LEN(256) + 1];
	uint8_t bytes[256], again[256];

	for (unsigned i = 0; i < 256; i++)
		bytes[i] = (uint8_t)(i * 167 + 5);
	vmm_base64_encode(text, bytes, sizeof(bytes));
	TAP_EQ(vmm_base64_decode(again, sizeof(again), text), 256);
	TAP_MEM_EQ(bytes, again, sizeof(bytes));
}

TAP_TEST(what_is_no_base64)
{
	static const char *const wrong[] = { "Z",	 "Zg",	 "Zg=",	    "====", "Z===",
					     "Zg==Zg==", "Zm9 ", "Zm9\xc3", "Zm=v", "Zm9v\n" };
	uint8_t bytes[16] = { 0 };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		TAP_EQ(vmm_base64_decode(bytes, sizeof(bytes), wrong[i]), -1);
	TAP_EQ(vmm_base64_decode(bytes, 2, "Zm9v"), -1);
	TAP_EQ(bytes[2], 0);
}

TAP_MAIN()
