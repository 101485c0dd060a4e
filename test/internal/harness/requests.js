// Requests all ENDPOINTS at once, and logs the status of each answer: 0 without a connection.
import http from 'k6/http';

export const options = { insecureSkipTLSVerify: true, noConnectionReuse: true };

export default function () {
  const endpoints = JSON.parse(__ENV.ENDPOINTS);
  const requests = {};
  for (const name in endpoints) {
    requests[name] = { method: 'GET', url: endpoints[name].url, params: { timeout: '3s', headers: endpoints[name].headers, responseType: 'none', redirects: 0 } };
  }
  const answers = http.batch(requests);
  for (const name in answers) {
    console.log('answer ' + JSON.stringify({ endpoint: name, status: answers[name].status, error: answers[name].error }));
  }
}

export function handleSummary() { return {}; }
