import { describe, expect, it } from 'vitest'
import type { FormJobFragment } from '@/api/generated'
import { changesOf } from './changes'
import { choicesOf, expressionOf } from './cron-builder'
import { inputOf, jsonFault, newValues, scheduleOf, valuesOf } from './values'

const JOB: FormJobFragment = {
  id: '1',
  name: 'Report',
  description: null,
  tags: ['a', 'b'],
  priority: 5,
  status: 'ACTIVE',
  version: 3,
  scheduleType: 'FIXED_RATE',
  cronExpression: null,
  timeZone: 'UTC',
  dstGap: 'RUN_AT_GAP_END',
  dstOverlap: 'AUTO',
  intervalSeconds: 60,
  initialDelaySeconds: null,
  startAt: '2026-11-24T10:00:00.000Z',
  endAt: null,
  maxRuns: null,
  jitterSeconds: 0,
  calendar: null,
  misfirePolicy: 'FIRE_ONCE',
  misfireGraceSeconds: 60,
  catchUpWindowSeconds: null,
  maxCatchUp: null,
  overlapPolicy: 'ALLOW',
  timeoutSeconds: null,
  pauseOnFailure: false,
  retry: { maxAttempts: 1, initialBackoffSeconds: 5, maxBackoffSeconds: 3600, multiplier: 2 },
  recovery: 'RERUN',
  maxRecoveries: 3,
  payload: '{"a":1}',
  target: { http: { url: 'https://example.com/', method: 'PUT', headers: { 'X-Team': 'ops' }, timeoutSeconds: 5 } },
  nextFireTimes: [],
}

describe('a job in the form', () => {
  it('comes out as it went in', () => {
    expect(inputOf(valuesOf(JOB))).toMatchObject({
      name: 'Report',
      tags: ['a', 'b'],
      scheduleType: 'FIXED_RATE',
      cronExpression: null,
      timeZone: null,
      intervalSeconds: 60,
      startAt: '2026-11-24T10:00:00.000Z',
      jitterSeconds: null,
      payload: { a: 1 },
      target: { http: { url: 'https://example.com/', method: 'PUT', headers: { 'X-Team': 'ops' }, timeoutSeconds: 5 } },
    })
  })

  it('tells the server nothing that does not go with its schedule type', () => {
    const cron = inputOf({ ...newValues('Europe/Berlin'), intervalSeconds: '5' })
    expect(cron).toMatchObject({ timeZone: 'Europe/Berlin', intervalSeconds: null })
    const delay = inputOf({ ...newValues('UTC'), scheduleType: 'FIXED_DELAY', jitterSeconds: '5' })
    expect(delay).toMatchObject({ cronExpression: null, jitterSeconds: null, intervalSeconds: 300 })
  })

  it('is previewed although its payload is no JSON yet', () => {
    const values = { ...newValues('UTC'), payload: '{"a":' }
    expect(jsonFault(values.payload)).toContain('not JSON')
    expect(scheduleOf(values)).toMatchObject({ name: 'preview', payload: null, target: { log: {} } })
  })
})

describe('the cron builder', () => {
  it.each(['*/5 * * * *', '7 * * * *', '30 2 * * *', '0 9 * * 1,2,3,4,5', '0 6 15 * *', '0 6 L * *'])(
    'reads what it writes: %s',
    (expression) => {
      const choices = choicesOf(expression)
      expect(choices && expressionOf(choices)).toBe(expression)
    },
  )

  it('leaves alone what it cannot say', () => {
    for (const typed of ['0 0 12 * * ?', '@daily', '0 9 1 1 *', '0 9-17 * * *', 'nonsense', '0 9 * * 5-1']) {
      expect(choicesOf(typed)).toBeNull()
    }
    expect(choicesOf('0 9 * * 1-5')?.weekdays).toEqual([1, 2, 3, 4, 5])
  })
})

describe('what an edit changes', () => {
  const at = (hour: number) => new Date(Date.UTC(2026, 10, 24, hour)).toISOString()

  it('is compared as far as both lists reach', () => {
    expect(changesOf([at(1), at(2), at(3)], [at(1), at(3), at(5)], 3)).toEqual({ appear: [], disappear: [at(2)] })
  })

  it('reaches to the end of a list that is complete', () => {
    expect(changesOf([at(1), at(2)], [at(2)], 3)).toEqual({ appear: [], disappear: [at(1)] })
    expect(changesOf([at(1)], [at(1), at(2)], 3)).toEqual({ appear: [at(2)], disappear: [] })
  })
})
