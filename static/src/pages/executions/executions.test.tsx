import { screen, waitFor } from '@testing-library/react'
import { expect, test } from 'vitest'
import { executionRow } from '@/testing/factories'
import { open, pageOf } from '@/testing/render'

const names = () =>
  screen
    .getAllByRole('row')
    .slice(1)
    .map((row) => row.querySelector('bdi')?.textContent)

test('rows keep their places under the pointer and show what is new of them; what came waits for a click', async () => {
  const first = executionRow({ jobName: 'First', status: 'RUNNING' })
  let rows = [first]
  const { user, queries } = await open('/executions', {
    ExecutionsPage: () => ({ executionsPage: pageOf(rows) }),
  })
  await user.hover(await screen.findByText('First'))
  rows = [executionRow({ jobName: 'Second' }), executionRow({ jobName: 'Third' }), { ...first, status: 'SUCCESS' }]
  await queries.invalidateQueries()
  const news = await screen.findByRole('button', { name: '2 new' })
  expect(names()).toEqual(['First'])
  expect(screen.getByText('First').closest('[role=row]')?.textContent).toContain('Success')
  await user.click(news)
  await waitFor(() => expect(names()).toEqual(['Second', 'Third', 'First']))
  expect(screen.queryByRole('button', { name: '2 new' })).toBeNull()
})

test('without a pointer the newest stand first', async () => {
  let rows = [executionRow({ jobName: 'First' })]
  const { queries } = await open('/executions', { ExecutionsPage: () => ({ executionsPage: pageOf(rows) }) })
  await screen.findByText('First')
  rows = [executionRow({ jobName: 'Second' }), ...rows]
  await queries.invalidateQueries()
  await waitFor(() => expect(names()).toEqual(['Second', 'First']))
})
