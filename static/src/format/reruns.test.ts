import { expect, test } from 'vitest'
import { leftOut } from './reruns'

const NONE = { underWay: 0, repeated: 0, ofDeletedJobs: 0, ranges: 0 }

test('what does not run again is said with its reason', () => {
  expect(leftOut(NONE)).toBe('')
  expect(leftOut({ ...NONE, underWay: 1 })).toBe('Left out: 1 run again already.')
  expect(leftOut({ underWay: 0, repeated: 1200, ofDeletedJobs: 2, ranges: 3 })).toBe(
    'Left out: 1,200 have run again before; their reruns can be repeated; 2 are of deleted jobs; 3 stand for several fire times: a backfill can run them.',
  )
})
