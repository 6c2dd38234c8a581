import { screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { open } from '@/testing/render'

const node = (given: object) => ({
  id: 'n1',
  name: 'node-1',
  address: '127.0.0.1:8081',
  version: '0.1.0',
  state: 'ACTIVE',
  slots: 64,
  executionsRunning: 3,
  clockOffsetMillis: 0,
  startedAt: '2026-11-23T07:00:00.000Z',
  heartbeatAt: '2026-11-23T07:15:00.000Z',
  heartbeatAgeSeconds: 0.2,
  endedAt: null,
  endedBy: null,
  ...given,
})
const held = (count: number) => ({
  executionsPage: {
    nodes: [...Array(count).keys()].map((n) => ({
      id: `e${n}`,
      nodeId: 'n1',
      jobId: 'j',
      jobName: 'Report',
      startedAt: null,
      attempt: 1,
    })),
  },
})

test('a node that is full says so, and how many it runs besides those that it names', async () => {
  await open('/nodes', {
    Nodes: () => ({ nodes: [node({ executionsRunning: 64 })] }),
    HeldByNodes: () => held(64),
  })
  const card = await screen.findByRole('region', { name: 'node-1' })
  expect(card.textContent).toContain('full: it starts nothing before something ends')
  expect((await screen.findByRole('link', { name: 'and 44 more' })).getAttribute('href')).toBe(
    '/executions?node=n1&status=RUNNING',
  )
})

test('a node with room does not', async () => {
  await open('/nodes', { Nodes: () => ({ nodes: [node({})] }), HeldByNodes: () => held(3) })
  expect((await screen.findByRole('region', { name: 'node-1' })).textContent).not.toContain('full')
  expect(await screen.findAllByText('Report')).toHaveLength(3)
  expect(screen.queryByText(/more$/)).toBeNull()
})
