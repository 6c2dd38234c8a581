import { describe, expect, it } from 'vitest'
import { JsonText } from '@/lib/json'
import { changesOf } from './changes'
import { choicesOf, expressionOf } from './cron-builder'
import { formJob } from './factories'
import { inputOf, newValues, scheduleOf, valuesOf } from './values'

const JOB = formJob()

describe('a job in the form', () => {
  it('comes out as it went in', () => {
    expect(inputOf(valuesOf(JOB))).toMatchObject({
      name: 'Report',
      tags: ['a', 'b, c'],
      scheduleType: 'FIXED_RATE',
      cronExpression: null,
      timeZone: null,
      intervalSeconds: 60,
      startAt: '2026-11-24T10:00:00.123Z',
      jitterSeconds: null,
      payload: new JsonText('{"a":12345678901234567891}'),
      target: { http: { url: 'https://example.com/', method: 'PUT', headers: { 'X-Team': 'ops' }, timeoutSeconds: 5 } },
    })
  })

  it('keeps a body that is empty, one that is not given, and the white space of a description', () => {
    const bodyOf = (body?: string | null) => {
      const http = { url: 'https://example.com/', ...(body !== undefined && { body }) }
      return inputOf(valuesOf(formJob({ target: { http } }))).target?.http?.body
    }
    expect([bodyOf(''), bodyOf('ping'), bodyOf(null), bodyOf()]).toEqual(['', 'ping', null, null])
    const spaced = valuesOf(formJob({ description: ' two lines\n' }))
    expect(inputOf(spaced).description).toBe(' two lines\n')
    expect(inputOf({ ...spaced, description: ' typed ' }).description).toBe('typed')
  })

  it('takes what was typed over what it had', () => {
    const typed = { ...valuesOf(JOB), startAt: '2026-11-24T11:30', tags: 'a, c' }
    expect(inputOf(typed)).toMatchObject({ startAt: new Date('2026-11-24T11:30').toISOString(), tags: ['a', 'c'] })
    expect(inputOf({ ...valuesOf(JOB), startAt: '' }).startAt).toBeNull()
  })

  it('tells the server nothing that does not go with its schedule type', () => {
    const cron = inputOf({ ...newValues('Europe/Berlin'), intervalSeconds: '5' })
    expect(cron).toMatchObject({ timeZone: 'Europe/Berlin', intervalSeconds: null })
    const delay = inputOf({ ...newValues('UTC'), scheduleType: 'FIXED_DELAY', jitterSeconds: '5' })
    expect(delay).toMatchObject({ cronExpression: null, jitterSeconds: null, intervalSeconds: 300 })
  })

  it('is previewed although its payload is no JSON yet', () => {
    const values = { ...newValues('UTC'), payload: '{"a":' }
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
  const now = Date.UTC(2026, 10, 24)
  const at = (hour: number) => new Date(Date.UTC(2026, 10, 24, hour)).toISOString()

  it('is compared as far as both lists reach', () => {
    expect(changesOf([at(1), at(2), at(3)], [at(1), at(3), at(5)], 3, now)).toEqual({
      appear: [],
      disappear: [at(2)],
      open: true,
    })
  })

  it('reaches to the end of a list that is complete', () => {
    expect(changesOf([at(1), at(2)], [at(2)], 3, now)).toEqual({ appear: [], disappear: [at(1)], open: false })
    expect(changesOf([at(1)], [at(1), at(2)], 3, now)).toEqual({ appear: [at(2)], disappear: [], open: false })
  })

  it('says nothing of what may have passed between the two answers', () => {
    expect(changesOf([at(1), at(2)], [at(2)], 3, now + 3_599_500)).toEqual({ appear: [], disappear: [], open: false })
  })
})
