import { expect, test } from 'vitest'
import { executionRow } from '@/testing/factories'
import { attemptsOf } from './attempts'

const LOST = {
  attempt: 1,
  nodeId: 'n1',
  startedAt: '2026-11-23T07:15:00+00:00',
  endedAt: '2026-11-23T07:15:01+00:00',
  outcome: 'LOST',
}

const execution = (given: object) => ({
  ...executionRow(),
  jobVersion: 1,
  createdAt: '2026-11-23T07:15:00.000Z',
  nodeId: 'n2',
  errorMessage: null,
  output: null,
  previousAttempts: null as unknown,
  coalescedInto: null,
  repeats: null,
  repeatedBy: [],
  payload: null,
  ...given,
})

test('the current attempt follows the earlier ones', () => {
  const attempts = attemptsOf(execution({ attempt: 2, previousAttempts: [LOST] }))
  expect(attempts.map(({ attempt, outcome, nodeId }) => [attempt, outcome, nodeId])).toEqual([
    [1, 'LOST', 'n1'],
    [2, 'SUCCESS', 'n2'],
  ])
})

test('an execution that waits for its retry has no attempt twice', () => {
  expect(attemptsOf(execution({ attempt: 1, status: 'RETRYING', previousAttempts: [LOST] }))).toHaveLength(1)
})

test('a skipped one had none, and what is not understood is shown as far as it is', () => {
  expect(attemptsOf(execution({ attempt: 0, status: 'SKIPPED' }))).toEqual([])
  expect(attemptsOf(execution({ attempt: 2, previousAttempts: ['odd'] }))[0]).toMatchObject({
    attempt: 0,
    outcome: 'UNKNOWN',
  })
})
