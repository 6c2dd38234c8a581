import { screen, waitFor, within } from '@testing-library/react'
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
    Execution: () => ({ execution: { ...row, previousAttempts: null, repeatedBy: [] } }),
  })
  await user.click(await screen.findByText('Success'))
  await screen.findByRole('heading', { name: 'What happened' })
  const back = screen.getAllByRole('link', { name: 'Executions' }).map((link) => link.getAttribute('href'))
  expect(back).toContain('/executions?status=FAILED')
})

const COUNTS = { matched: 3, reruns: 2, underWay: 0, repeated: 1, ofDeletedJobs: 0, ranges: 0 }

test('all that match run again, after their number was said', async () => {
  const { asked, user } = await open('/executions?status=FAILED', {
    ExecutionsPage: () => ({ executionsPage: pageOf([executionRow({ status: 'FAILED' })]) }),
    ExecutionMessage: ({ id }) => ({ execution: { id, errorMessage: 'e' } }),
    RerunExecutions: () => ({ rerunExecutions: COUNTS }),
  })
  await user.click(await screen.findByRole('button', { name: 'Run again…' }))
  const dialog = await screen.findByRole('dialog')
  expect(dialog.textContent).toContain('Run 2 fire times again?')
  expect(dialog.textContent).toContain('1 have run again before')
  expect(last(asked, 'RerunExecutions')).toMatchObject({ dryRun: true })
  await user.click(within(dialog).getByRole('button', { name: 'Run 2 again' }))
  await screen.findByText('2 fire times will run again.')
  const sent = asked.filter(({ operation }) => operation === 'RerunExecutions').map(({ variables }) => variables)
  expect(sent).toHaveLength(2)
  expect(sent[1]).toMatchObject({ filter: { status: ['FAILED'] }, all: false, dryRun: false })
})

test('what is ticked is cancelled by its ids', async () => {
  const [one, other] = [executionRow({ jobName: 'One', status: 'RUNNING' }), executionRow({ jobName: 'Other' })]
  const { asked, user } = await open('/executions', {
    ExecutionsPage: () => ({ executionsPage: pageOf([one, other]) }),
    CancelExecutions: ({ dryRun }) => ({ cancelExecutions: { matched: 1, cancelled: dryRun ? 0 : 1, more: false } }),
  })
  await user.click(await screen.findByRole('checkbox', { name: 'Select the execution of One' }))
  expect(screen.getByRole('region', { name: 'Selected executions' }).textContent).toContain('1 selected')
  await user.click(screen.getByRole('button', { name: 'Cancel…' }))
  await user.click(await screen.findByRole('button', { name: 'Cancel 1 execution' }))
  await screen.findByText('1 execution cancelled.')
  expect(last(asked, 'CancelExecutions')?.filter).toEqual({ ids: [one.id] })
  await waitFor(() => expect(screen.queryByRole('region', { name: 'Selected executions' })).toBeNull())
})

test('nothing is asked where nothing would happen', async () => {
  const { user } = await open('/executions?status=SUCCESS', {
    ExecutionsPage: () => ({ executionsPage: pageOf([executionRow()]) }),
    CancelExecutions: () => ({ cancelExecutions: { matched: 0, cancelled: 0, more: false } }),
  })
  await user.click(await screen.findByRole('button', { name: 'Cancel…' }))
  await screen.findByText('None of these executions is in flight.')
  expect(screen.queryByRole('button', { name: /^Cancel \d/ })).toBeNull()
})
