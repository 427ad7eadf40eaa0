/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What does not depend on the machine's shape. The named integers come from a second table that
 * vmm/acpi/tables.c makes at run time.
 */
DefinitionBlock ("", "DSDT", 2, "HVIS  ", "HVHOST  ", 1)
{
	External (\MLO0, IntObj) /* low window: first, last address, bytes */
	External (\MLO1, IntObj)
	External (\MLOL, IntObj)
	External (\MHI0, IntObj) /* high window */
	External (\MHI1, IntObj)
	External (\MHIL, IntObj)

	/* Without S4 Linux refuses the host's request to hibernate. */
	Name (\_S4, Package () { 4, 0, 0, 0 })
	Name (\_S5, Package () { 5, 0, 0, 0 })

	Scope (\_SB)
	{
		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate () {
				IO (Decode16, 0x03F8, 0x03F8, 1, 8)
				IRQNoFlags () { 4 }
			})
		}

		Device (RTC)
		{
			Name (_HID, EisaId ("PNP0B00"))
			Name (_CRS, ResourceTemplate () {
				IO (Decode16, 0x0070, 0x0070, 1, 2)
				IRQNoFlags () { 8 }
			})
		}

		/* As on Hyper-V: a container that owns the address windows, and VMBus in it. */
		Device (VMOD)
		{
			Name (_HID, "ACPI0004")
			Name (_UID, 0)

			Method (_CRS, 0, Serialized)
			{
				Name (RES, ResourceTemplate () {
					QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
						Cacheable, ReadWrite, 0, 0, 0, 0, 1, , , LOW)
					QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
						Cacheable, ReadWrite, 0, 0, 0, 0, 1, , , HIGH)
				})
				CreateQWordField (RES, LOW._MIN, LMIN)
				CreateQWordField (RES, LOW._MAX, LMAX)
				CreateQWordField (RES, LOW._LEN, LLEN)
				CreateQWordField (RES, HIGH._MIN, HMIN)
				CreateQWordField (RES, HIGH._MAX, HMAX)
				CreateQWordField (RES, HIGH._LEN, HLEN)
				LMIN = \MLO0
				LMAX = \MLO1
				LLEN = \MLOL
				HMIN = \MHI0
				HMAX = \MHI1
				HLEN = \MHIL
				Return (RES)
			}

			Device (VMBS)
			{
				Name (STA, 0x0F)

				/* Linux takes "VMBUS" and "VMBus", FreeBSD this one only. */
				Name (_HID, "VMBUS")
				Name (_UID, 0)
				Name (_DDN, "VMBUS")

				Method (_STA, 0, NotSerialized)
				{
					Return (STA)
				}

				Method (_DIS, 0, NotSerialized)
				{
					STA &= 0x0D
				}

				Method (_PS0, 0, NotSerialized)
				{
					STA |= 0x0F
				}

				Method (_PS3, 0, NotSerialized)
				{
				}

				/* Listed as on Hyper-V; interrupts come through the SynIC. */
				Name (_CRS, ResourceTemplate () {
					IRQ (Edge, ActiveHigh, Exclusive) { 5 }
				})
			}
		}
	}
}
