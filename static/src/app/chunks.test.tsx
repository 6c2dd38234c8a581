import { render, screen } from '@testing-library/react'
import { afterEach, expect, test, vi } from 'vitest'
import { ChunkGone, loadChunk } from '@/api/chunks'
import { noteAnswer } from '@/api/connection'
import { PageFailure } from './failures'

const missing = (): Promise<string> => Promise.reject(new TypeError('Failed to fetch dynamically imported module'))

/** The node answers its health checks from the second one on; returns whether it answers. */
function nodeAwayOnce() {
  let asked = 0
  vi.stubGlobal('fetch', () => {
    asked += 1
    return asked === 1 ? Promise.reject(new TypeError('network')) : Promise.resolve(new Response('{}'))
  })
  return () => asked > 1
}

afterEach(() => {
  noteAnswer()
  sessionStorage.clear()
})

test('a chunk of a node that is away arrives when it is back, and no page is loaded again', async () => {
  const reload = vi.spyOn(location, 'reload').mockImplementation(() => {})
  const answers = nodeAwayOnce()
  const get = vi.fn(() => (answers() ? Promise.resolve('the page') : missing()))
  expect(await loadChunk(get)()).toBe('the page')
  expect(get).toHaveBeenCalledTimes(2)
  expect(reload).not.toHaveBeenCalled()
})

test('a chunk that the node no longer has reloads the page that shows it, and nothing before', async () => {
  const reload = vi.spyOn(location, 'reload').mockImplementation(() => {})
  nodeAwayOnce()
  const gone = await loadChunk(missing)().catch((error: unknown) => error)
  expect(gone).toBeInstanceOf(ChunkGone)
  expect(reload).not.toHaveBeenCalled()
  render(<PageFailure error={gone} />)
  expect(reload).toHaveBeenCalledTimes(1)
})

test('a chunk that is missing for good does not reload for ever', () => {
  const reload = vi.spyOn(location, 'reload').mockImplementation(() => {})
  render(<PageFailure error={new ChunkGone()} />)
  render(<PageFailure error={new ChunkGone()} />)
  expect(reload).toHaveBeenCalledTimes(1)
  expect(screen.getByText('This page is of another version')).toBeTruthy()
})

test('another failure of a page reloads nothing', () => {
  const reload = vi.spyOn(location, 'reload').mockImplementation(() => {})
  render(<PageFailure error={new TypeError('undefined is not a function')} />)
  expect(reload).not.toHaveBeenCalled()
})
