import { screen, waitFor } from '@testing-library/react'
import { expect, test } from 'vitest'
import { executionRow } from '@/testing/factories'
import { last, open, pageOf } from '@/testing/render'

// How many a search finds is not known.
const page = (jobName: string) => () => ({
  executionsPage: { ...pageOf([executionRow({ jobName })]), totalCount: null },
})

test('what is typed is searched for in names and errors, with the other filters, and stands in the address', async () => {
  const { user, asked, address } = await open('/executions?status=FAILED', {
    ExecutionsPage: page('Any'),
    ExecutionsSearch: page('Found'),
    ExecutionMessage: ({ id }) => ({ execution: { id, errorMessage: 'answered 503' } }),
  })
  await screen.findByText('Any')
  await user.type(screen.getByRole('searchbox', { name: 'Search executions' }), '503')
  await screen.findByText('Found')
  expect(last(asked, 'ExecutionsSearch')).toMatchObject({ text: '503', outputs: false, filter: { status: ['FAILED'] } })
  expect(address()).toBe('/executions?status=FAILED&search=503')
  expect(screen.getByText('“503” in names and errors, newest first')).toBeTruthy()
})

test('outputs are searched for a day, unless somebody says since when', async () => {
  const { user, asked } = await open('/executions?search=503', { ExecutionsSearch: page('Found') })
  await screen.findByText('Found')
  await user.click(screen.getByRole('checkbox', { name: 'Search in outputs too' }))
  await waitFor(() => expect(last(asked, 'ExecutionsSearch')).toMatchObject({ outputs: true }))
  expect(last(asked, 'ExecutionsSearch')?.filter).toMatchObject({ from: expect.stringMatching(/^\d{4}-/) })
  await user.clear(screen.getByRole('searchbox', { name: 'Search executions' }))
  await waitFor(() => expect(screen.queryByRole('checkbox', { name: 'Search in outputs too' })).toBeNull())
})

test('an address that searches asks for nothing else', async () => {
  const { asked } = await open('/executions?search=503', { ExecutionsSearch: page('Found') })
  await screen.findByText('Found')
  expect(asked.some(({ operation }) => operation === 'ExecutionsPage')).toBe(false)
})

test('commands are for what is ticked alone while a text is searched: they know no text', async () => {
  const { user } = await open('/executions?status=FAILED&search=503', { ExecutionsSearch: page('Found') })
  await screen.findByText('Found')
  expect(screen.queryByRole('region', { name: 'Selected executions' })).toBeNull()
  expect(screen.queryByRole('checkbox', { name: 'Select all that match' })).toBeNull()
  await user.click(screen.getByRole('checkbox', { name: 'Select the execution of Found' }))
  await screen.findByText('1 selected')
  expect(screen.queryByRole('button', { name: 'Select all that match' })).toBeNull()
})
