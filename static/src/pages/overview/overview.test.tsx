import { screen, within } from '@testing-library/react'
import { expect, test } from 'vitest'
import { overview } from '@/testing/factories'
import { last, open, pageOf } from '@/testing/render'

const late = {
  kind: 'LATE' as const,
  jobId: '018f3c00-0000-7000-8000-000000000001',
  jobName: 'Payroll',
  executionId: null,
  since: '2026-11-23T07:10:00.000Z',
  message: 'due 5 min ago: no node has a free slot',
}

/** The first line, once it is there: what is still being read has the same role. */
const headline = () => screen.findByRole('status', { name: 'All in all' })

test('when all is well the first line says so', async () => {
  await open('/', { Overview: () => ({ overview: overview() }) })
  expect((await headline()).textContent).toContain('All is well3 nodes for 12 active jobs, 1 paused.')
  expect(screen.getByText('No problems')).toBeTruthy()
})

test('when a job is late the first line says so, and the list which and why', async () => {
  await open('/', { Overview: () => ({ overview: overview({ attention: [late], dueNow: 4 }) }) })
  expect((await headline()).textContent).toContain('One job is late or stuck')
  const job = screen.getByRole('link', { name: 'Payroll' })
  expect(job.getAttribute('href')).toBe(`/jobs/${late.jobId}`)
  expect(screen.getByText(late.message)).toBeTruthy()
})

test('when jobs are late because all slots are taken, the first line says that', async () => {
  const { cluster } = overview()
  const full = { ...cluster, slots: 64, executionsRunning: 64 }
  await open('/', { Overview: () => ({ overview: overview({ cluster: full, attention: [late], dueNow: 4 }) }) })
  expect((await headline()).textContent).toContain('All 64 slots are taken')
  expect((await headline()).textContent).toContain('4 triggers due now and waiting for a free slot.')
})

test('a job with several stuck executions is one job, and one line', async () => {
  const stuck = [1, 2, 3].map((n) => ({
    ...late,
    kind: 'STUCK' as const,
    executionId: `e${n}`,
    message: 'runs too long',
  }))
  await open('/', { Overview: () => ({ overview: overview({ attention: stuck }) }) })
  expect((await headline()).textContent).toContain('One job is late or stuck')
  expect(screen.getByText('runs too long (and 2 more of this job)')).toBeTruthy()
})

test('without a node nothing is well', async () => {
  const { cluster } = overview()
  await open('/', { Overview: () => ({ overview: overview({ cluster: { ...cluster, activeNodes: 0 } }) }) })
  expect((await headline()).textContent).toContain('No node takes work')
})

test('a cluster that is paused says so on every page, why and what would start on the overview, and is resumed from there', async () => {
  const { cluster } = overview()
  const pause = {
    since: '2026-11-23T07:10:00.000Z',
    reason: 'the database was set back',
    setBackTo: '2026-11-23T05:00:00.000Z',
    lastKnown: '2026-11-23T07:00:00.000Z',
    triggersDue: 7,
    attemptsLost: 1,
  }
  const { asked, user } = await open('/jobs', {
    Overview: () => ({ overview: overview({ cluster: { ...cluster, pause } }) }),
    JobsPage: () => ({ jobsPage: pageOf([]) }),
    ResumeCluster: () => ({ resumeCluster: true }),
  })
  await user.click(await screen.findByRole('link', { name: 'See why, and resume it' }))
  const notice = await screen.findByRole('region', { name: 'The cluster is paused' })
  expect(screen.queryByRole('alert')).toBeNull()
  expect(notice.textContent).toContain('the database was set back')
  expect(notice.textContent).toContain('7 triggers due by now; 1 attempt lost with its node.')
  expect(notice.textContent).toContain('would fire again')
  await user.click(within(notice).getByRole('button', { name: 'Resume' }))
  const question = await screen.findByRole('dialog')
  expect(question.textContent).toContain('7 triggers due by now')
  await user.click(within(question).getByRole('button', { name: 'Resume' }))
  await screen.findByText('The cluster is resumed.')
  expect(asked.some(({ operation }) => operation === 'ResumeCluster')).toBe(true)
})

test('the cluster is paused after a question, with a reason', async () => {
  const { asked, user } = await open('/', { PauseCluster: () => ({ pauseCluster: true }) })
  await user.click(await screen.findByRole('button', { name: 'Pause cluster…' }))
  await user.type(screen.getByRole('textbox', { name: 'Reason' }), 'the bank is closed')
  expect(last(asked, 'PauseCluster')).toBeUndefined()
  await user.click(screen.getByRole('button', { name: 'Pause cluster' }))
  await screen.findByText('The cluster is paused.')
  expect(last(asked, 'PauseCluster')).toEqual({ reason: 'the bank is closed' })
})

const failing = {
  ...late,
  kind: 'FAILED' as const,
  executionId: 'e1',
  message: 'connection refused',
}

test('failing jobs lead to the list of the same jobs', async () => {
  const shown = overview({ failingJobs: 14, failuresLastHour: 3, attention: [failing], attentionTotal: 14 })
  await open('/', { Overview: () => ({ overview: shown }) })
  const tile = (await screen.findByText('Failing jobs')).closest('div') as HTMLElement
  expect(within(tile).getByRole('link', { name: '14' }).getAttribute('href')).toBe('/jobs?state=FAILING')
  expect(tile.textContent).toContain('3 failures in the last hour')
  expect((await headline()).textContent).toContain('14 jobs need attention')
  expect(screen.getByText('And 13 more', { exact: false })).toBeTruthy()
  const all = screen.getByRole('link', { name: 'See all 14 failing jobs' })
  expect(all.getAttribute('href')).toBe('/jobs?state=FAILING')
})

test('a failure that was followed by a success is no reason to worry', async () => {
  await open('/', { Overview: () => ({ overview: overview({ failuresLastHour: 1 }) }) })
  expect((await headline()).textContent).toContain('All is well')
})

test('jobs that have ended are counted apart', async () => {
  const { cluster } = overview()
  await open('/', { Overview: () => ({ overview: overview({ cluster: { ...cluster, endedJobs: 7 } }) }) })
  expect((await headline()).textContent).toContain('12 active jobs, 1 paused, 7 ended.')
})

test('a blackout in force says whom it holds back and until when', async () => {
  const blackout = {
    id: 'b',
    reason: 'Network maintenance',
    startsAt: '2026-11-23T07:00:00.000Z',
    endsAt: '2026-11-23T08:00:00.000Z',
    tag: null,
    jobId: null,
  }
  await open('/', { Overview: () => ({ overview: overview({ blackouts: [blackout] }) }) })
  const notice = await screen.findByRole('region', { name: 'Blackouts in force' })
  expect(notice.textContent).toMatch(/^Blackout until .*: Network maintenance \(all jobs\)$/)
})

test('what the API refuses is said, with a way to try again', async () => {
  await open('/', { Overview: () => new Error('the database does not answer') })
  const alert = await screen.findByRole('alert')
  expect(alert.textContent).toContain('the database does not answer')
  expect(within(alert).getByRole('button', { name: 'Try again' })).toBeTruthy()
})
