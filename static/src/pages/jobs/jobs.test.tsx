import { screen, waitFor, within } from '@testing-library/react'
import { afterEach, expect, test } from 'vitest'
import type { JobRowFragment } from '@/api/generated'
import { executionRow, jobRow } from '@/testing/factories'
import { last, open, pageOf } from '@/testing/render'

const jobs = (...rows: JobRowFragment[]) => ({ JobsPage: () => ({ jobsPage: pageOf(rows) }) })
afterEach(() => localStorage.clear())

const HOSTILE = '<img src=x onerror=alert(1)>'

test('a job shows its schedule in words and its last runs', async () => {
  const runs = [
    { id: 'b', status: 'FAILED', durationMillis: 40 },
    { id: 'a', status: 'SUCCESS', durationMillis: 30 },
  ]
  await open(
    '/jobs',
    jobs(jobRow({ name: 'Report', scheduleDescription: 'at 09:00 on weekdays', recentExecutions: runs })),
  )
  const row = (await screen.findByRole('link', { name: 'Report' })).closest('[role=row]') as HTMLElement
  expect(row.textContent).toContain('At 09:00 on weekdays')
  expect(within(row).getByRole('img', { name: 'Last 2 runs: 1 success, 1 failed' })).toBeTruthy()
})

test('only a job whose times a clock decides shows another clock', async () => {
  const zone = { timeZone: 'Asia/Kathmandu' }
  await open(
    '/jobs',
    jobs(jobRow({ name: 'Report', ...zone }), jobRow({ name: 'Probe', scheduleType: 'FIXED_RATE', ...zone })),
  )
  const textOf = (name: string) => screen.getByRole('link', { name }).closest('[role=row]')?.textContent
  await screen.findByRole('link', { name: 'Report' })
  expect(textOf('Report')).toContain('Kathmandu')
  expect(textOf('Probe')).not.toContain('Kathmandu')
})

test('names are text, whatever they look like', async () => {
  await open('/jobs', jobs(jobRow({ name: HOSTILE, pauseReason: HOSTILE })))
  expect(await screen.findByRole('link', { name: HOSTILE })).toBeTruthy()
  expect(document.querySelector('img')).toBeNull()
})

test('what is typed is searched for, and stands in the address', async () => {
  const { asked, user, address } = await open('/jobs?status=PAUSED', jobs(jobRow()))
  await user.type(await screen.findByRole('searchbox', { name: 'Search jobs' }), 'inv')
  await waitFor(() => expect(last(asked, 'JobsPage')?.filter).toMatchObject({ search: 'inv', status: ['PAUSED'] }))
  expect(address()).toBe('/jobs?status=PAUSED&search=inv')
})

test('an address of somebody else shows what it says', async () => {
  const { asked } = await open('/jobs?tag=a&tag=b&outcome=FAILED&order=NAME', jobs(jobRow()))
  await screen.findByRole('table', { name: 'Jobs' })
  expect(last(asked, 'JobsPage')).toMatchObject({
    orderBy: 'NAME',
    filter: { tags: ['a', 'b'], lastOutcome: ['FAILED'] },
  })
})

test('one of many tags is found by typing', async () => {
  const tags = [...Array(20).keys()].map((number) => ({ tag: `tag-${number}`, jobs: 1 }))
  const { user, address } = await open('/jobs?tag=tag-1', { ...jobs(jobRow()), Tags: () => ({ tags }) })
  await user.type(await screen.findByRole('combobox', { name: 'Add a tag to the filter' }), 'tag-1')
  expect(address()).toBe('/jobs?tag=tag-1')
  await user.keyboard('3{Enter}')
  await waitFor(() => expect(address()).toBe('/jobs?tag=tag-1&tag=tag-13'))
})

test('the state of a job beats its status, and says why', async () => {
  const failing = { executionId: 'e', since: '2026-11-23T07:00:00.000Z', message: 'connection refused' }
  const { asked } = await open(
    '/jobs?state=FAILING',
    jobs(
      jobRow({ name: 'Report', state: 'FAILING', failing }),
      jobRow({ name: 'Export', status: 'PAUSED', state: 'FAILING', failing }),
      jobRow({ name: 'Import', state: 'ENDED', hasEnded: true, nextFireTime: null }),
    ),
  )
  const textOf = (name: string) => screen.getByRole('link', { name }).closest('[role=row]')?.textContent
  await screen.findByRole('link', { name: 'Report' })
  expect(textOf('Report')).toMatch(/Failing.*connection refused/)
  expect(textOf('Export')).toMatch(/Paused.*Failing/)
  expect(textOf('Import')).toMatch(/Ended/)
  expect(textOf('Import')).not.toContain('Active')
  expect(last(asked, 'JobsPage')?.filter).toMatchObject({ state: ['FAILING'] })
})

test('an ended job cannot be paused', async () => {
  const ended = jobRow({ name: 'Import', state: 'ENDED', hasEnded: true, nextFireTime: null })
  const { user } = await open('/jobs', jobs(ended))
  await user.click(await screen.findByRole('button', { name: 'More for Import' }))
  expect((await screen.findByRole('menuitem', { name: 'Pause' })).getAttribute('aria-disabled')).toBe('true')
})

test('a job that a blackout holds back says until when instead of being due', async () => {
  const excludedBy = {
    kind: 'BLACKOUT',
    name: 'Network maintenance',
    from: '2026-11-23T07:00:00.000Z',
    until: '2999-11-23T08:00:00.000Z',
    onEnd: 'COLLAPSE',
  } as const
  const ahead = { ...excludedBy, from: '2999-11-23T07:00:00.000Z' }
  await open(
    '/jobs',
    jobs(
      jobRow({ name: 'Report', nextFireTime: '2026-11-23T07:10:00.000Z', excludedBy }),
      jobRow({ name: 'Later', nextFireTime: '2026-11-23T07:10:00.000Z', excludedBy: ahead }),
    ),
  )
  const textOf = (name: string) => screen.getByRole('link', { name }).closest('[role=row]')?.textContent
  await screen.findByRole('link', { name: 'Report' })
  expect(textOf('Report')).toMatch(/closed until .*Network maintenance/)
  expect(textOf('Report')).not.toContain('due')
  expect(textOf('Later')).toContain('due')
})

test('pausing asks for a reason and says that it is done', async () => {
  const job = jobRow({ name: 'Report' })
  const { asked, user } = await open('/jobs', { ...jobs(job), PauseJob: () => ({ pauseJob: { id: job.id } }) })
  await user.click(await screen.findByRole('button', { name: 'More for Report' }))
  await user.click(await screen.findByRole('menuitem', { name: 'Pause' }))
  await user.type(await screen.findByRole('textbox', { name: 'Reason' }), 'the target moves')
  await user.click(screen.getByRole('button', { name: 'Pause' }))
  await screen.findByText('“Report” is paused.')
  expect(last(asked, 'PauseJob')).toEqual({ id: job.id, reason: 'the target moves', cancelRunning: false })
  expect(screen.queryByRole('checkbox', { name: /Cancel/ })).toBeNull()
})

test('a job that was deleted leaves the list, although the pointer rests on it', async () => {
  let rows = [jobRow({ name: 'Report' }), jobRow({ name: 'Other' })]
  const { user } = await open('/jobs', {
    JobsPage: () => ({ jobsPage: pageOf(rows) }),
    DeleteJob: () => {
      rows = rows.slice(1)
      return { deleteJob: true }
    },
  })
  await user.hover(await screen.findByRole('link', { name: 'Report' }))
  await user.click(await screen.findByRole('button', { name: 'More for Report' }))
  await user.click(await screen.findByRole('menuitem', { name: 'Delete' }))
  await user.click(await screen.findByRole('button', { name: 'Delete job' }))
  await waitFor(() => expect(screen.queryByRole('link', { name: 'Report' })).toBeNull())
})

test('a job whose only time passed while it was paused can be run with the resume', async () => {
  const once = { scheduleType: 'ONCE', cronExpression: null, startAt: '2026-11-23T07:00:00.000Z' } as const
  const paused = { ...once, status: 'PAUSED', nextFireTime: null } as const
  const job = jobRow({ name: 'Export', ...paused })
  const later = jobRow({ name: 'Later', ...paused, startAt: '2999-01-01T00:00:00.000Z' })
  const ran = jobRow({ name: 'Ran', ...paused, previousFireTime: '2026-11-23T07:00:00.000Z' })
  const answers = { ...jobs(job, later, ran), ResumeJob: () => ({ resumeJob: { id: job.id, nextFireTime: null } }) }
  const { asked, user } = await open('/jobs', answers)
  for (const name of ['Later', 'Ran']) {
    await user.click(await screen.findByRole('button', { name: `More for ${name}` }))
    await screen.findByRole('menuitem', { name: 'Resume' })
    expect(screen.queryByRole('menuitem', { name: 'Resume and run' })).toBeNull()
    await user.keyboard('{Escape}')
  }
  await user.click(await screen.findByRole('button', { name: 'More for Export' }))
  await user.click(await screen.findByRole('menuitem', { name: 'Resume and run' }))
  await screen.findByText('“Export” fires again.')
  expect(last(asked, 'ResumeJob')).toEqual({ id: job.id, runMissed: true })
})

test('a job is paused together with what it runs', async () => {
  const job = jobRow({ name: 'Runaway', inFlight: 7 })
  const { asked, user } = await open('/jobs', { ...jobs(job), PauseJob: () => ({ pauseJob: { id: job.id } }) })
  await user.click(await screen.findByRole('button', { name: 'More for Runaway' }))
  await user.click(await screen.findByRole('menuitem', { name: 'Pause' }))
  await user.click(await screen.findByRole('checkbox', { name: 'Cancel the 7 that run as well' }))
  await user.click(screen.getByRole('button', { name: 'Pause' }))
  await screen.findByText('“Runaway” is paused.')
  expect(last(asked, 'PauseJob')).toEqual({ id: job.id, reason: null, cancelRunning: true })
})

test('a job is deleted together with what it runs', async () => {
  const job = jobRow({ name: 'Runaway', inFlight: 1 })
  const { asked, user } = await open('/jobs', { ...jobs(job), DeleteJob: () => ({ deleteJob: true }) })
  await user.click(await screen.findByRole('button', { name: 'More for Runaway' }))
  await user.click(await screen.findByRole('menuitem', { name: 'Delete' }))
  await user.click(await screen.findByRole('checkbox', { name: 'Cancel the one that runs as well' }))
  await user.click(screen.getByRole('button', { name: 'Delete job' }))
  await screen.findByText(/“Runaway” is deleted/)
  expect(last(asked, 'DeleteJob')).toEqual({ id: job.id, cancelRunning: true })
})

test('a list is kept up to date by its pulse, not by another read of all rows', async () => {
  const job = jobRow({ name: 'Report', inFlight: 0 })
  let inFlight = 0
  const { asked, queries } = await open('/jobs', {
    JobsPage: () => ({ jobsPage: pageOf([{ ...job, inFlight }]) }),
  })
  await screen.findByRole('link', { name: 'Report' })
  const pages = () => asked.filter(({ operation }) => operation === 'JobsPage').length
  const before = pages()
  inFlight = 3
  await queries.invalidateQueries()
  expect(await screen.findByTitle('3 in flight')).toBeTruthy()
  expect(pages()).toBe(before)
  expect(last(asked, 'JobsPulse')).toBeDefined()
})

test('all that match are deleted together with what they run, after that was counted', async () => {
  const { asked, user } = await open('/jobs?search=old', {
    ...jobs(jobRow(), jobRow()),
    CancelExecutions: () => ({ cancelExecutions: { matched: 3, cancelled: 0, more: false } }),
    DeleteJobs: () => ({ deleteJobs: { matched: 2, changed: 2 } }),
  })
  await user.click(await screen.findByRole('checkbox', { name: 'Select all that match' }))
  const bar = screen.getByRole('region', { name: 'Selected jobs' })
  await user.click(within(bar).getByRole('button', { name: 'Delete' }))
  await user.click(await screen.findByRole('checkbox', { name: 'Cancel the 3 that run as well' }))
  await user.click(screen.getByRole('button', { name: 'Delete 2 jobs' }))
  await screen.findByText('2 jobs deleted.')
  expect(last(asked, 'CancelExecutions')).toMatchObject({ jobs: { search: 'old' }, dryRun: true })
  expect(last(asked, 'DeleteJobs')).toMatchObject({ cancelRunning: true })
})

test('a job runs with another payload, which begins with its own and goes out as it stands', async () => {
  const job = jobRow({ name: 'Report' })
  const { asked, user } = await open('/jobs', {
    ...jobs(job),
    JobPayload: () => ({ job: { id: job.id, payload: '{"n":1}' } }),
    RunJobNow: () => ({ runJobNow: true }),
  })
  await user.click(await screen.findByRole('button', { name: 'More for Report' }))
  await user.click(await screen.findByRole('menuitem', { name: 'Run with another payload…' }))
  const field = await screen.findByRole('textbox', { name: 'Payload' })
  expect(field).toHaveProperty('value', '{\n  "n": 1\n}')
  await user.clear(field)
  await user.type(field, '{{"n": 2')
  expect(screen.getByRole('button', { name: 'Run now' })).toHaveProperty('disabled', true)
  await user.type(field, '}')
  await user.click(screen.getByRole('button', { name: 'Run now' }))
  await screen.findByText('“Report” fires now.')
  expect(last(asked, 'RunJobNow')).toEqual({ id: job.id, payload: { n: 2 } })
})

test('a deletion that is not confirmed does not happen', async () => {
  const { asked, user } = await open('/jobs', jobs(jobRow({ name: 'Report' })))
  await user.click(await screen.findByRole('button', { name: 'More for Report' }))
  await user.click(await screen.findByRole('menuitem', { name: 'Delete' }))
  await user.click(await screen.findByRole('button', { name: 'Cancel' }))
  await waitFor(() => expect(screen.queryByText('Delete job')).toBeNull())
  expect(last(asked, 'DeleteJob')).toBeUndefined()
})

test('all that match are deleted by the filter, not by what is on the screen', async () => {
  const answers = { ...jobs(jobRow(), jobRow()), DeleteJobs: () => ({ deleteJobs: { matched: 2, changed: 2 } }) }
  const { asked, user } = await open('/jobs?search=old', answers)
  await user.click(await screen.findByRole('checkbox', { name: 'Select all that match' }))
  const bar = screen.getByRole('region', { name: 'Selected jobs' })
  await user.click(within(bar).getByRole('button', { name: 'Delete' }))
  await user.click(await screen.findByRole('button', { name: 'Delete 2 jobs' }))
  await screen.findByText('2 jobs deleted.')
  expect(last(asked, 'DeleteJobs')?.filter).toMatchObject({ search: 'old' })
  expect(last(asked, 'DeleteJobs')?.filter).not.toHaveProperty('ids')
})

test('what a bulk command did not change is said', async () => {
  const [one, two] = [jobRow({ name: 'One' }), jobRow({ name: 'Two' })]
  const answers = { ...jobs(one, two), ResumeJobs: () => ({ resumeJobs: { matched: 2, changed: 1 } }) }
  const { asked, user } = await open('/jobs', answers)
  await user.click(await screen.findByRole('checkbox', { name: 'Select One' }))
  await user.click(screen.getByRole('checkbox', { name: 'Select Two' }))
  await user.click(screen.getByRole('button', { name: 'Resume' }))
  const dialog = await screen.findByRole('dialog')
  await user.click(within(dialog).getByRole('button', { name: 'Resume' }))
  await screen.findByText('1 job resumed; 1 needed nothing.')
  expect(last(asked, 'ResumeJobs')?.filter).toEqual({ ids: [one.id, two.id] })
})

test('no jobs at all leads to the first one, no match to other filters', async () => {
  await open('/jobs', jobs())
  expect(await screen.findByText('There are no jobs yet')).toBeTruthy()
})

test('filters that match nothing can be cleared', async () => {
  const { user, address } = await open('/jobs?search=zzz', jobs())
  await user.click(await screen.findByRole('button', { name: 'Clear the filters' }))
  await waitFor(() => expect(address()).toBe('/jobs'))
})

test('matches that lie far apart are all found: a page may be short, or empty, and still have a next one', async () => {
  const pages: Record<string, [JobRowFragment[], string | null]> = {
    '': [[jobRow({ name: 'First' })], 'a'],
    a: [[], 'b'],
    b: [[jobRow({ name: 'Last' })], null],
  }
  const { asked } = await open('/jobs?outcome=LOST', {
    JobsPage: ({ after }) => {
      const [nodes, endCursor] = pages[String(after ?? '')] ?? [[], null]
      return { jobsPage: { nodes, totalCount: null, pageInfo: { hasNextPage: endCursor !== null, endCursor } } }
    },
  })
  await screen.findByRole('link', { name: 'First' })
  await screen.findByRole('link', { name: 'Last' })
  expect(screen.getAllByRole('row')).toHaveLength(3)
  expect(new Set(asked.filter((one) => one.operation === 'JobsPage').map((one) => one.variables.after))).toEqual(
    new Set([null, 'a', 'b']),
  )
})

test('rows are low when the reader wants them so, in each list, and stay so', async () => {
  const heightOf = async (name: string) =>
    ((await screen.findByRole('link', { name })).closest('[role=row]') as HTMLElement).style.height
  const { user } = await open('/jobs', {
    ...jobs(jobRow({ name: 'Report' })),
    ExecutionsPage: () => ({ executionsPage: pageOf([executionRow({ jobName: 'Ran' })]) }),
  })
  expect(await heightOf('Report')).toBe('56px')
  await user.click(screen.getByRole('button', { name: 'Compact rows', pressed: false }))
  await waitFor(async () => expect(await heightOf('Report')).toBe('34px'))
  await user.click(screen.getByRole('link', { name: 'Executions' }))
  expect(await heightOf('Ran')).toBe('34px')
  expect(localStorage.getItem('horolog.density')).toBe('compact')
  await user.click(screen.getByRole('button', { name: 'Compact rows', pressed: true }))
  await waitFor(async () => expect(await heightOf('Ran')).toBe('44px'))
})

test('clearing the filters clears each of them', async () => {
  const filters = 'search=x&status=PAUSED&state=FAILING&type=CRON&tag=a&outcome=FAILED'
  const { user, address } = await open(`/jobs?${filters}`, jobs())
  await user.click(await screen.findByRole('button', { name: 'Clear the filters' }))
  await waitFor(() => expect(address()).toBe('/jobs'))
})
