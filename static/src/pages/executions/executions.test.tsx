import { screen, waitFor } from '@testing-library/react'
import { expect, test } from 'vitest'
import { executionRow } from '@/testing/factories'
import { last, open, pageOf } from '@/testing/render'

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

test('a row that failed says why, and is asked about once', async () => {
  const failed = executionRow({ status: 'FAILED', reason: 'ERROR' })
  const { asked, queries } = await open('/executions', {
    ExecutionsPage: () => ({ executionsPage: pageOf([failed, executionRow()]) }),
    ExecutionMessage: ({ id }) => ({ execution: { id, errorMessage: 'answered 503' } }),
  })
  await screen.findByText('answered 503')
  await queries.invalidateQueries({ queryKey: ['ExecutionsPage'] })
  const about = asked.filter(({ operation }) => operation === 'ExecutionMessage')
  expect(about.map(({ variables }) => variables)).toEqual([{ id: failed.id }])
})

test('a preset sets where the range begins', async () => {
  const { asked, user } = await open('/executions', { ExecutionsPage: () => ({ executionsPage: pageOf([]) }) })
  await user.click(await screen.findByRole('button', { name: 'Time' }))
  await user.click(await screen.findByRole('menuitem', { name: 'Last 24 hours' }))
  // The database's time, as the factory has it.
  await waitFor(() =>
    expect(last(asked, 'ExecutionsPage')?.filter).toMatchObject({ from: expect.stringMatching(/^2026-11-22T07:1/) }),
  )
})

test('the way back from an execution keeps the filters of the list', async () => {
  const row = executionRow({ jobName: 'First' })
  const { user } = await open('/executions?status=FAILED', {
    ExecutionsPage: () => ({ executionsPage: pageOf([row]) }),
    Execution: () => ({ execution: { ...row, previousAttempts: null } }),
  })
  await user.click(await screen.findByText('Success'))
  await screen.findByRole('heading', { name: 'What happened' })
  const back = screen.getAllByRole('link', { name: 'Executions' }).map((link) => link.getAttribute('href'))
  expect(back).toContain('/executions?status=FAILED')
})
