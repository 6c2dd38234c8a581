import { screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { open } from '@/testing/render'
import { openJob } from './factories'

test('the head says what the job calls', async () => {
  await openJob({})
  expect(await screen.findByText('PUT https://example.com/pay')).toBeTruthy()
})

test('a job that a failure paused leads to that execution', async () => {
  const id = '018f3c00-0000-7000-8000-000000000001'
  await openJob({ status: 'PAUSED', pausedBecause: `execution ${id} failed` })
  expect((await screen.findByRole('link', { name: id })).getAttribute('href')).toBe(`/executions/${id}`)
})

test('many tags do not push the rest of the head away', async () => {
  await openJob({ tags: [...Array(9).keys()].map((number) => `tag ${number}`) })
  expect(await screen.findByText('and 3 more tags')).toBeTruthy()
  expect(screen.queryByRole('link', { name: 'tag 6' })).toBeNull()
})

test('a job that does not exist has a heading and a title of its own', async () => {
  await open('/jobs/j', { Job: () => ({ job: null }) })
  await screen.findByRole('heading', { level: 1, name: 'There is no such job' })
  expect(document.title).toBe('There is no such job · Horolog')
})
