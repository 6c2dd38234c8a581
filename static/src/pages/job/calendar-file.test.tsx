import { screen } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import * as files from '@/lib/download'
import { last } from '@/testing/render'
import { openJob } from './factories'

test('the next fire times of a job are a calendar file', async () => {
  const saved = vi.spyOn(files, 'download').mockReturnValue()
  const fireTimes = {
    FireTimes: () => ({ job: { nextFireTimes: ['2026-12-01T08:00:00.000Z', '2026-12-02T08:00:00.000Z'] } }),
  }
  const { user, asked } = await openJob({ nextFireTimes: ['2026-12-01T08:00:00.000Z'] }, fireTimes)
  await user.click(await screen.findByRole('button', { name: /calendar file$/ }))
  await vi.waitFor(() => expect(saved).toHaveBeenCalled())
  const [name, type, [text]] = saved.mock.calls[0] ?? ['', '', []]
  expect([name, type]).toEqual(['payroll.ics', 'text/calendar'])
  expect(text?.match(/^DTSTART:.*$/gm)).toEqual(['DTSTART:20261201T080000Z', 'DTSTART:20261202T080000Z'])
  expect(last(asked, 'FireTimes')).toMatchObject({ id: 'j' })
})
