import { screen, waitFor } from '@testing-library/react'
import { describe, expect, it } from 'vitest'
import { last, open, pageOf } from '@/testing/render'
import { formJob } from './factories'

const PREVIEW = { zone: 'UTC', description: 'every 300 seconds', fireTimes: ['2026-11-24T10:00:00.000Z'], warnings: [] }

const ANSWERS = {
  CalendarNames: () => ({ calendars: [{ name: 'holidays', namespace: 'default' }] }),
  PreviewSchedule: () => ({ previewSchedule: PREVIEW }),
}

describe('the form of a new job', () => {
  it('sends what was typed and goes to the job', async () => {
    const { asked, user, address } = await open('/jobs/new', {
      ...ANSWERS,
      CreateJob: () => ({ createJob: { id: 'abc', name: 'Report' } }),
      Job: () => ({ job: null }),
    })
    await user.type(await screen.findByLabelText('Name'), 'Report')
    await user.click(screen.getByRole('radio', { name: /Fixed rate/ }))
    await user.selectOptions(screen.getByLabelText('Kind'), 'log')
    await user.selectOptions(
      await screen.findByLabelText('Calendar'),
      await screen.findByRole('option', { name: 'holidays' }),
    )
    await user.click(screen.getByRole('button', { name: 'Create job' }))
    await waitFor(() => expect(address()).toBe('/jobs/abc'))
    const input = last(asked, 'CreateJob')?.input
    expect(input).toMatchObject({
      name: 'Report',
      scheduleType: 'FIXED_RATE',
      intervalSeconds: 300,
      calendar: 'holidays',
    })
  })

  it('asks for what is missing before it asks the server', async () => {
    const { asked, user } = await open('/jobs/new', ANSWERS)
    await user.click(await screen.findByRole('button', { name: 'Create job' }))
    expect(await screen.findAllByText('This is needed')).toHaveLength(2)
    expect(last(asked, 'CreateJob')).toBeUndefined()
  })

  it('says beside the field what the server refuses of it, also of one in a list', async () => {
    const refused = Object.assign(new Error('tags.1: must be at most 50 characters long'), { field: 'tags.1' })
    const { user } = await open('/jobs/new', { ...ANSWERS, CreateJob: () => refused })
    await user.type(await screen.findByLabelText('Name'), 'Report')
    await user.click(screen.getByRole('radio', { name: /Fixed rate/ }))
    await user.selectOptions(screen.getByLabelText('Kind'), 'log')
    await user.type(screen.getByLabelText('Tags'), 'a, b')
    await user.click(screen.getByRole('button', { name: 'Create job' }))
    expect(await screen.findByText('must be at most 50 characters long')).toBeTruthy()
    expect(document.activeElement).toBe(screen.getByLabelText('Tags'))
  })

  it('says next to the button what no field can say, and takes the focus there', async () => {
    const { user } = await open('/jobs/new', {
      ...ANSWERS,
      CreateJob: () => Object.assign(new Error('the database does not answer'), { code: 'UNAVAILABLE' }),
    })
    await user.type(await screen.findByLabelText('Name'), 'Report')
    await user.selectOptions(screen.getByLabelText('Kind'), 'log')
    const button = screen.getByRole('button', { name: 'Create job' })
    await user.click(button)
    const said = (await screen.findByText('the database does not answer')).closest('[role=alert]')
    expect(document.activeElement).toBe(said)
    expect(said?.nextElementSibling?.contains(button)).toBe(true)
  })

  it('says it at the field that holds what is wrong, and not at one that is not shown', async () => {
    let field = 'retry.multiplier'
    const { user } = await open('/jobs/new', {
      ...ANSWERS,
      CreateJob: () => Object.assign(new Error(`${field}: is too much`), { field }),
    })
    await user.type(await screen.findByLabelText('Name'), 'Report')
    await user.selectOptions(screen.getByLabelText('Kind'), 'log')
    await user.click(screen.getByRole('button', { name: 'Create job' }))
    expect((await screen.findByText('retry.multiplier: is too much')).closest('[role=alert]')).toBeTruthy()
    field = 'retry.maxAttempts'
    await user.click(screen.getByRole('button', { name: 'Create job' }))
    await screen.findByText('is too much')
    expect(document.activeElement).toBe(screen.getByLabelText('Attempts'))
  })

  it('is not left with something typed in it unless one is sure', async () => {
    const { user, address } = await open('/jobs/new', { ...ANSWERS, JobsPage: () => ({ jobsPage: pageOf([]) }) })
    await user.type(await screen.findByLabelText('Name'), 'Report')
    await user.click(screen.getByRole('link', { name: 'Upcoming' }))
    await user.click(await screen.findByRole('button', { name: 'Stay' }))
    expect(address()).toBe('/jobs/new')
    expect(screen.getByLabelText<HTMLInputElement>('Name').value).toBe('Report')
    await user.click(screen.getByRole('button', { name: 'Cancel' }))
    await user.click(await screen.findByRole('button', { name: 'Leave' }))
    await waitFor(() => expect(address()).toBe('/jobs'))
  })

  it('is left without a question while nothing is typed', async () => {
    const { user, address } = await open('/jobs/new', { ...ANSWERS, JobsPage: () => ({ jobsPage: pageOf([]) }) })
    await screen.findByLabelText('Name')
    await user.click(screen.getByRole('button', { name: 'Cancel' }))
    await waitFor(() => expect(address()).toBe('/jobs'))
  })

  it('builds the expression that stands beside the builder', async () => {
    const { user } = await open('/jobs/new', ANSWERS)
    await user.selectOptions(await screen.findByLabelText('Rhythm'), 'weekly')
    await user.click(screen.getByLabelText('Fri'))
    expect(screen.getByLabelText<HTMLInputElement>('Expression').value).toBe('0 9 * * 1,2,3,4')
    const time = screen.getByLabelText<HTMLInputElement>('Time of day')
    await user.clear(time)
    await user.type(time, '22:30')
    expect(screen.getByLabelText<HTMLInputElement>('Expression').value).toBe('30 22 * * 1,2,3,4')
  })
})

describe('the form of a job that is there', () => {
  const CONFLICT = Object.assign(new Error('the job has version 4'), { code: 'CONFLICT' })

  it('says what somebody else changed meanwhile, and keeps what was typed until the newest is loaded', async () => {
    let stored = formJob({ version: 3, description: 'old' })
    const { asked, user } = await open('/jobs/1/edit', {
      ...ANSWERS,
      FormJob: () => ({ job: stored }),
      UpdateJob: () => CONFLICT,
    })
    await user.type(await screen.findByLabelText('Description'), ' mine')
    stored = formJob({ version: 4, description: 'theirs', status: 'PAUSED' })
    await user.click(screen.getByRole('button', { name: 'Save changes' }))
    const notice = await screen.findByText('Another user changed this job.')
    expect(last(asked, 'UpdateJob')?.version).toBe(3)
    const said = notice.closest('[role=alert]')?.textContent
    expect(document.activeElement).toBe(notice.closest('[role=alert]'))
    expect(said).toContain('description: old theirs')
    expect(said).toContain('status: ACTIVE PAUSED')
    expect(said).not.toContain('name:')
    expect(screen.getByLabelText<HTMLTextAreaElement>('Description').value).toBe('old mine')
    await user.click(screen.getByRole('button', { name: 'Load it again' }))
    expect(screen.getByLabelText<HTMLTextAreaElement>('Description').value).toBe('theirs')
    expect(screen.queryByText('Another user changed this job.')).toBeNull()
    await user.click(screen.getByRole('button', { name: 'Save changes' }))
    await waitFor(() => expect(last(asked, 'UpdateJob')?.version).toBe(4))
  })

  it('keeps what was typed when everything is read again, as after a node was away', async () => {
    let stored = formJob({ version: 3, description: 'old' })
    const { asked, user, queries } = await open('/jobs/1/edit', {
      ...ANSWERS,
      FormJob: () => ({ job: stored }),
      UpdateJob: () => CONFLICT,
    })
    await user.type(await screen.findByLabelText('Description'), ' mine')
    stored = formJob({ version: 4, description: 'theirs' })
    await queries.invalidateQueries()
    await user.click(screen.getByRole('button', { name: 'Save changes' }))
    await waitFor(() => expect(last(asked, 'UpdateJob')).toBeTruthy())
    expect(asked.filter(({ operation }) => operation === 'FormJob').length).toBeGreaterThan(1)
    // As it was when it was read: the server decides whether that is still so.
    expect(last(asked, 'UpdateJob')).toMatchObject({ version: 3, input: { description: 'old mine' } })
  })

  it('compares the fire times of before and after at one moment', async () => {
    const fires = (hour: number) => new Date(Date.now() + hour * 3_600_000).toISOString()
    const [first, second] = [fires(1), fires(2)]
    const { user } = await open('/jobs/1/edit', {
      ...ANSWERS,
      FormJob: () => ({ job: formJob({ intervalSeconds: 3_600 }) }),
      PreviewSchedule: ({ input }) => {
        const every = (input as { intervalSeconds: number }).intervalSeconds
        return { previewSchedule: { ...PREVIEW, fireTimes: every === 3_600 ? [first, second] : [second] } }
      },
    })
    await screen.findByText('Saving changes none of the next fire times.')
    const interval = screen.getByLabelText('Interval in seconds')
    await user.clear(interval)
    await user.type(interval, '7200')
    expect(await screen.findByText('Saving changes fire times')).toBeTruthy()
    expect(document.querySelectorAll(`time[datetime="${first}"]`)).toHaveLength(1)
  })
})
