import { expect, test } from 'vitest'
import { agendaEvents, fireTimeEvent } from './events'

const job = { id: 'j', name: 'Report' }

test('the id of an event is that of its fire time, however the instant is written', () => {
  const [one, other] = ['2026-12-01T08:00:00Z', '2026-12-01T09:00:00.000+01:00'].map((at) => fireTimeEvent(job, at))
  expect(one?.uid).toBe('j/2026-12-01T08:00:00.000Z')
  expect(other?.uid).toBe(one?.uid)
  expect(fireTimeEvent({ ...job, id: 'k' }, '2026-12-01T08:00:00Z').uid).not.toBe(one?.uid)
  expect(one?.url).toMatch(/\/jobs\/j$/)
})

test('jobs that an agenda does not name are one event', () => {
  const entries = [{ fireTime: '2026-12-01T08:00:00Z', jobs: 4, named: [job] }]
  expect(agendaEvents({ entries }).map(({ summary }) => summary)).toEqual(['Report', '3 more'])
})
