import { expect, test } from 'vitest'
import type { JobRowFragment } from '@/api/generated'
import { jobRow } from '@/testing/factories'
import { pageOf } from '@/testing/render'
import { JOBS_PULSE } from './pulse'

const run = (id: string) => ({ id, status: 'SUCCESS', durationMillis: 1 })
const patch = (known: JobRowFragment[], fresh: JobRowFragment[]) =>
  JOBS_PULSE.patch({ jobsPage: pageOf(known) }, { jobsPage: pageOf(fresh) })?.jobsPage.nodes

test('rows are as new as their pulse, in its order, and keep what it does not say', () => {
  const [a, b] = [jobRow({ name: 'A', recentExecutions: [run('1')] }), jobRow({ name: 'B' })]
  const { id, version } = a
  const pulse = {
    id,
    version,
    inFlight: 2,
    nextFireTime: null,
    previousFireTime: null,
    recentExecutions: [run('2'), run('1')],
  }
  const rows = patch([a, b], [b, pulse as unknown as JobRowFragment])
  expect(rows?.map(({ name }) => name)).toEqual(['B', 'A'])
  expect(rows?.[1]).toEqual({ ...a, ...pulse })
})

test('a new version, a new job and runs that were missed are read as a whole', () => {
  const row = jobRow({ recentExecutions: [run('1')] })
  expect(patch([row], [{ ...row, version: row.version + 1 }])).toBeUndefined()
  expect(patch([row], [row, jobRow()])).toBeUndefined()
  expect(patch([row], [{ ...row, recentExecutions: [run('9')] }])).toBeUndefined()
  expect(patch([row, jobRow()], [row])).toHaveLength(1)
})
