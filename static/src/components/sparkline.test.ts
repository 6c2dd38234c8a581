import { expect, test } from 'vitest'
import { barHeights } from './sparkline'

const run = (status: string, durationMillis: number | null) => ({ id: status, status, durationMillis })

test('a run that failed at once is as high as the longest', () => {
  const [long, failed, skipped] = barHeights([run('SUCCESS', 60_000), run('FAILED', 2), run('SKIPPED', null)])
  expect(failed).toBe(long)
  expect(skipped).toBeLessThan(failed ?? 0)
})
