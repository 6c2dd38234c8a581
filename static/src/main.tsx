import '@/styles.css'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { createQueryClient } from '@/api/queries'
import { Dashboard } from '@/app/dashboard'
import { createDashboardRouter } from '@/app/router'
import { startTheme } from '@/lib/theme'

startTheme()

const queries = createQueryClient()
const router = createDashboardRouter(queries)
const root = document.getElementById('root')
if (!root) throw new Error('index.html has no #root')

createRoot(root).render(
  <StrictMode>
    <Dashboard queries={queries} router={router} />
  </StrictMode>,
)
