import { expect, test } from 'vitest'
import { type Account, spent, waitOf } from './spending'

/** Reads as often as it may, for 20 s; how many bytes it took. */
function takenIn20Seconds(bytes: number): number {
  let account: Account = { balance: 0, at: 0 }
  let [now, taken] = [0, 0]
  while (now < 20_000) {
    account = spent(account, bytes, now)
    taken += bytes
    now += Math.max(1_000, waitOf(account, now))
  }
  return taken
}

test('reads of any size take no more than a tab may, but for one', () => {
  for (const bytes of [100, 1_000, 5_000, 20_000]) expect(takenIn20Seconds(bytes)).toBeLessThanOrEqual(24_000 + bytes)
})

test('after a quiet time a change is read at once, after a huge read within 15 seconds', () => {
  const quiet = spent({ balance: 0, at: 0 }, 3_000, 60_000)
  expect(waitOf(quiet, 60_000)).toBe(0)
  const huge = spent(quiet, 10_000_000, 60_000)
  expect(waitOf(huge, 60_000)).toBe(15_000)
})
