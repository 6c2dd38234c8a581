import { expect, test } from 'vitest'
import { agendaOf } from './agenda'

const at = (minute: number) => new Date(Date.UTC(2026, 10, 24, 2, minute)).toISOString()
const job = (name: string, ...minutes: number[]) => ({ name, nextFireTimes: minutes.map(at) })

test('names who fires in the stretch, the rarest first, and those that fire too often to tell last', () => {
  const jobs = [job('each minute', 0, 1, 2), job('twice', 3, 9, 30), job('nightly', 5), job('later', 10)]
  const entries = agendaOf(jobs, at(3), at(10), 3)
  expect(entries.map(({ job, times, often }) => [job.name, times.length, often])).toEqual([
    ['nightly', 1, false],
    ['twice', 2, false],
    ['each minute', 0, true],
  ])
})
