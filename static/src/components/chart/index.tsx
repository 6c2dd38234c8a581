// A chart over time. The drawing arrives in a chunk of its own, after the page; its place is reserved.

import { lazy, Suspense } from 'react'
import { loadChunk } from '@/api/chunks'
import type { PlotProps } from './plot'

const Plot = lazy(loadChunk(() => import('./plot')))

/** Draws series over time, with the values under the pointer above it. */
export function Chart(props: PlotProps) {
  return (
    <Suspense fallback={<div style={{ height: props.height + LEGEND_HEIGHT }} aria-hidden />}>
      <Plot {...props} />
    </Suspense>
  )
}

/** Height of the line of names and values above the drawing, in pixels. */
export const LEGEND_HEIGHT = 24
