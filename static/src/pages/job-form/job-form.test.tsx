import { screen, waitFor } from '@testing-library/react'
import { describe, expect, it } from 'vitest'
import { last, open } from '@/testing/render'

const PREVIEW = { zone: 'UTC', description: 'every 300 seconds', fireTimes: ['2026-11-24T10:00:00.000Z'], warnings: [] }

const ANSWERS = {
  CalendarNames: () => ({ calendars: [{ name: 'holidays' }] }),
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

  it('builds the expression that stands beside the builder', async () => {
    const { user } = await open('/jobs/new', ANSWERS)
    await user.selectOptions(await screen.findByLabelText('Rhythm'), 'weekly')
    await user.click(screen.getByLabelText('Fri'))
    expect(screen.getByLabelText<HTMLInputElement>('Expression').value).toBe('0 9 * * 1,2,3,4')
  })
})
