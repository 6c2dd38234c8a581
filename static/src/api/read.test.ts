import { expect, test } from 'vitest'
import { newestRuns } from './read'

const run = (id: string, status = 'SUCCESS') => ({ id, status })

test('new runs come before those that are known, which are as new as they were read', () => {
  const known = [run('c', 'RUNNING'), run('b'), run('a')]
  expect(newestRuns(known, [run('d', 'RUNNING'), run('c')], 3)).toEqual([run('d', 'RUNNING'), run('c'), run('b')])
  expect(newestRuns([], [run('a')], 3)).toEqual([run('a')])
  expect(newestRuns(known, known.slice(0, 1), 3)).toEqual(known)
})

test('where runs are missing in between, or one may have ended unseen, all are read', () => {
  expect(newestRuns([run('b'), run('a')], [run('f'), run('e')], 3)).toBeNull()
  expect(newestRuns([run('b'), run('a', 'RETRYING')], [run('c'), run('b')], 3)).toBeNull()
})
